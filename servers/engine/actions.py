"""What the engine's loop can be told to do: the vocabulary of `plan`."""

from __future__ import annotations

from dataclasses import dataclass

from servers.engine.scheduler import Model
from servers.errors import SkylarkError
from servers.jobs.store import Head


@dataclass(frozen=True)
class Load:
    model: Model


@dataclass(frozen=True)
class Evict:
    """The model leaves so that another can come, or because nobody has used it."""

    model: Model


@dataclass(frozen=True)
class Run:
    """The model is given the job, and those that may share its batch."""

    head: Head


@dataclass(frozen=True)
class Join:
    """The job, and others like it, join what its model computes: `room` at most.

    With `if_all` they do so only where there is room for all that wait.
    """

    head: Head
    room: int
    if_all: bool = False


@dataclass(frozen=True)
class Pause:
    """A preemptible run waits at its next step; with `save` it is saved there and returns to the queue."""

    model: Model
    save: bool


@dataclass(frozen=True)
class Resume:
    """A paused run goes on."""

    model: Model


@dataclass(frozen=True)
class End:
    """The model's runner is ended: its jobs are seen to when it is gone."""

    model: Model
    reason: str


@dataclass(frozen=True)
class Fail:
    """The model cannot be loaded: the jobs that wait for it fail."""

    model: Model
    error: SkylarkError


@dataclass(frozen=True)
class TimeOut:
    """A job took longer than it may, or all that the model has in hand: then its runner is ended too.

    With one `index` of the run that job alone is called off, for others of it come to their end.
    """

    model: Model
    index: int | None = None


Action = Load | Evict | Run | Join | Pause | Resume | End | Fail | TimeOut
