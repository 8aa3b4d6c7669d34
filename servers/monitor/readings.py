"""What is read of the machine, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """How much there is to do. `ended` are (finished_at, seconds) of the jobs that were done last, `audio`
    are (finished_at, seconds of audio) of the same: what was spoken or heard.
    """

    queued: int = 0
    running: int = 0
    loading: int = 0
    training: int = 0
    ended: tuple[tuple[float, float], ...] = ()
    audio: tuple[tuple[float, float], ...] = ()
    last_request_at: float | None = None
    """None: nobody has asked since it was started."""


@dataclass(frozen=True)
class Door:
    """`requests` and `errors` are counts since it was started."""

    requests: int = 0
    errors: int = 0
    uploads: int = 0
    last_request_at: float | None = None


@dataclass(frozen=True)
class Gpu:
    """In percent."""

    use: float
    memory_used: float


@dataclass(frozen=True)
class Readings:
    """None is what could not be read."""

    engine: Engine | None
    doors: Mapping[str, Door | None]
    gpu: Gpu | None = None
    interruption: bool = False
    waiting: int | None = 0
    """Work that was accepted while the machine was off, and that it has not taken in or not ended."""
