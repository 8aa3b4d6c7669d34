"""How loud a session's utterances are made, in each of the ways that its client may choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from servers.audio.framing import FRAME_RATE_HZ
from servers.audio.limiter import LimitedGain
from servers.audio.loudness import gain_to, normalize_lufs, normalize_rms
from servers.errors import InvalidRequest

Floats = NDArray[np.float32]


class Method(StrEnum):
    VOICE = "voice"
    """The gain that was measured for the voice, and a limiter: nothing is held back."""
    INTEGRATED = "integrated"
    """EBU R128 of the whole utterance."""
    RMS = "rms"
    """The root mean square of the whole utterance."""
    NONE = "none"
    """As the model speaks."""


TARGETS = {Method.VOICE: -16.0, Method.INTEGRATED: -16.0, Method.RMS: -20.0, Method.NONE: 0.0}
QUIETEST, LOUDEST = -60.0, -5.0


@dataclass(frozen=True)
class Loudness:
    """`target` is in LUFS; for RMS in dB of full scale. Raises InvalidRequest for an absurd one."""

    method: Method = Method.VOICE
    target: float = TARGETS[Method.VOICE]

    def __post_init__(self) -> None:
        if self.method is not Method.NONE and not QUIETEST <= self.target <= LOUDEST:
            message = f"{self.target:g} is not between {QUIETEST:g} and {LOUDEST:g}"
            raise InvalidRequest(message, param="loudness.target")

    def leveller(self, voice_lufs: float | None) -> Leveller:
        """For one utterance; `voice_lufs` is how loud the voice speaks, as far as that was measured."""
        match self.method:
            case Method.NONE:
                return AsSpoken()
            case Method.VOICE:
                return LimitedGain(FRAME_RATE_HZ, gain_to(self.target, voice_lufs))
            case Method.INTEGRATED:
                return Whole(lambda samples: normalize_lufs(samples, FRAME_RATE_HZ, self.target))
            case Method.RMS:
                return Whole(lambda samples: normalize_rms(samples, FRAME_RATE_HZ, self.target))


class Leveller(Protocol):
    """Float32 at FRAME_RATE_HZ, of an utterance, in order; what is held back comes with the last ones."""

    def push(self, samples: Floats, last: bool = False) -> Floats: ...


class AsSpoken:
    def push(self, samples: Floats, last: bool = False) -> Floats:  # noqa: ARG002
        return samples


class Whole:
    """Gives everything at the end, as `level` makes it."""

    def __init__(self, level: Callable[[Floats], Floats]) -> None:
        self._level = level
        self._samples: list[Floats] = []

    def push(self, samples: Floats, last: bool = False) -> Floats:
        self._samples.append(samples)
        if not last:
            return np.zeros(0, np.float32)
        whole, self._samples = np.concatenate(self._samples), []
        return self._level(whole)
