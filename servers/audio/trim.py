"""One stretch of speech in a stream of several: it begins at its first sound and ends without a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mono = NDArray[np.float32]

LOUD_RMS = 10 ** (-50 / 20)
"""−50 dBFS in a window is a sound, a whisper too; a synthesiser's rest is below."""
WINDOW_S = 0.01
QUIET_PEAK = 10 ** (-40 / 20)
"""No sample of a pause is above: noise of LOUD_RMS seldom is."""
KEPT_S = 0.04
"""What is kept before the first sound: soft consonants begin below LOUD_RMS."""
LONGEST_TRIM_S = 1.0
"""No more silence than this is left out: it may be meant."""
FADE_S = 0.005


class Trimmer:
    """Pushed samples come out as they may be heard: FADE_S and the silence before a sound are held back."""

    def __init__(self, sample_rate: int, trims: bool = True) -> None:
        self._rate = sample_rate
        self._leading: LeadingSilence | None = LeadingSilence(sample_rate) if trims else None
        self._held: Mono = np.zeros(0, np.float32)
        self._quiet = 0

    def push(self, samples: Mono) -> Mono:
        """What can be heard now; it may be nothing."""
        if self._leading is not None:
            samples = self._leading.push(samples)
            if self._leading.is_over:
                self._leading = None
        return self._passed(samples)

    def end(self, pause_s: float | None = None) -> Mono:
        """The rest. With a pause it is faded out, and as much silence follows as is lacking to `pause_s`."""
        rest = self._held if self._leading is None else np.concatenate((self._held, self._leading.rest()))
        self._leading, self._held = None, rest[:0]
        if pause_s is None:
            return rest
        self._count_quiet(rest)
        missing = max(0, round(pause_s * self._rate) - self._quiet)
        return np.concatenate(
            (rest * np.linspace(1, 0, len(rest), dtype=np.float32), np.zeros(missing, np.float32))
        )

    def _passed(self, samples: Mono) -> Mono:
        samples = np.concatenate((self._held, samples))
        cut = max(0, len(samples) - round(FADE_S * self._rate))
        passed, self._held = samples[:cut], samples[cut:]
        self._count_quiet(passed)
        return passed

    def _count_quiet(self, samples: Mono) -> None:
        loud = np.flatnonzero(np.abs(samples) > QUIET_PEAK)
        self._quiet = len(samples) - 1 - int(loud[-1]) if len(loud) else self._quiet + len(samples)


class LeadingSilence:
    """The silence before the first sound, of which all but KEPT_S is left out, up to LONGEST_TRIM_S."""

    def __init__(self, sample_rate: int) -> None:
        self._window, self._kept = round(WINDOW_S * sample_rate), round(KEPT_S * sample_rate)
        self._longest = round(LONGEST_TRIM_S * sample_rate)
        self._fade = round(FADE_S * sample_rate)
        self._held: Mono = np.zeros(0, np.float32)
        self._left_out = 0
        self.is_over = False

    def push(self, samples: Mono) -> Mono:
        """Nothing until the first sound, or until as much was left out as may be; then everything held."""
        self._held = np.concatenate((self._held, samples))
        sound = self._first_sound()
        silent = len(self._held) // self._window * self._window if sound is None else sound
        out = min(max(0, silent - self._kept), self._longest - self._left_out)
        self._held, self._left_out = self._held[out:], self._left_out + out
        if sound is None and self._left_out < self._longest:
            return self._held[:0]
        self.is_over = True
        return self._faded_in(self.rest())

    def rest(self) -> Mono:
        rest, self._held = self._held, self._held[:0]
        return rest

    def _first_sound(self) -> int | None:
        """Where the first loud window begins."""
        windows = len(self._held) // self._window
        blocks = self._held[: windows * self._window].reshape(windows, self._window)
        loud = np.flatnonzero(np.sqrt(np.mean(np.square(blocks), axis=1)) > LOUD_RMS)
        return int(loud[0]) * self._window if len(loud) else None

    def _faded_in(self, samples: Mono) -> Mono:
        if not self._left_out:
            return samples
        length = min(self._fade, len(samples))
        rise = np.ones(len(samples), np.float32)
        rise[:length] = np.linspace(0, 1, length, dtype=np.float32)
        return samples * rise
