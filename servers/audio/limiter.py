"""A gain for a stream of samples, with a limiter that keeps its true peaks below a ceiling.

The limiter looks ahead 5 ms: what it takes away grows smoothly before a peak, and goes back over 100 ms. A
peak is looked for between the samples too, at four times their rate (as in ITU-R BS.1770-4, annex 2): what a
converter makes of them may be higher than every one of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from servers.audio.level import MOST_GAIN_DB

CEILING_DBTP = -1.0
MARGIN_DB = 0.2
"""What TAPS samples may not tell of a peak between them."""
LOOK_AHEAD_S = 0.005
RELEASE_S = 0.1
"""In so long what is taken away falls to 1/e of it."""
OVERSAMPLED = 4
TAPS = 16
"""Samples of which one between two of them is made."""
LEAST_SHARE = 1e-5
"""Less than this is not taken away: 0.0001 dB."""

STEPS = 2**24
"""What is taken away is rounded up to so many parts of 1."""

Floats = NDArray[np.float32]
NOTHING = np.zeros(0, np.float32)
NO_STEPS = np.zeros(1, np.int64)


class LimitedGain:
    """One stream of mono float32: as many samples come out as go in, 5 to 10 ms of audio later.

    Its output joined is the same, to the bit, in whatever chunks the input came: it is worked on in blocks of
    one length. A gain above MOST_GAIN_DB is that one. Where nothing reaches the ceiling, the output is the
    input times the gain. The last chunk must be given with `last=True`.
    """

    def __init__(self, sample_rate: int, gain_db: float) -> None:
        """`sample_rate` is in Hz. Raises ValueError for a gain that is no number."""
        if not math.isfinite(gain_db):
            raise ValueError(f"a gain is a number of dB, and not {gain_db}")
        self._gain = np.float32(10 ** (min(gain_db, MOST_GAIN_DB) / 20))
        look_ahead = max(2 * TAPS, round(LOOK_AHEAD_S * sample_rate))
        self._block = look_ahead
        self._limiter = _Limiter(look_ahead, math.exp(-1 / (RELEASE_S * sample_rate)))
        self._waiting = NOTHING
        self._to_skip = self._limiter.delay
        """The limiter's output begins with so much silence that is not of the stream."""
        self._owed = 0

    def push(self, samples: Floats, last: bool = False) -> Floats:
        """Whatever output this chunk completes: empty for some chunks."""
        self._owed += len(samples)
        waiting = np.concatenate((self._waiting, samples), dtype=np.float32, casting="equiv")
        if last:
            missing = self._to_skip + self._owed - len(waiting)
            missing += -(len(waiting) + missing) % self._block
            waiting = np.concatenate((waiting, np.zeros(missing, np.float32)))
        whole = len(waiting) // self._block * self._block
        self._waiting = waiting[whole:]
        return self._given(self._limiter.push(waiting[:whole] * self._gain)) if whole else NOTHING

    def _given(self, made: Floats) -> Floats:
        skipped = min(self._to_skip, len(made))
        self._to_skip -= skipped
        given = made[skipped : skipped + self._owed]
        self._owed -= len(given)
        return given


class _Limiter:
    """Runs of blocks of `look_ahead` samples to as many samples, which come `delay` later. A run is worked on
    at once; what comes of a block is the same in any run.

    What is to be taken away at a peak is held for a look-ahead before it, decays after it, and is then
    averaged over a little less than a look-ahead, which leaves it whole within TAPS / 2 samples of the peak.
    """

    def __init__(self, look_ahead: int, decay: float) -> None:
        self._averaged = (look_ahead - TAPS + 1) // 2
        self.delay = look_ahead - 1
        self._block = look_ahead
        self._fallen = decay ** np.arange(1, look_ahead + 1)
        self._ceiling = 10 ** ((CEILING_DBTP - MARGIN_DB) / 20)
        self._heard = np.zeros(TAPS - 1, np.float32)
        self._passing = np.zeros(self.delay, np.float32)
        self._excess = np.zeros(look_ahead)
        self._held = 0.0
        self._steps = np.zeros(2 * (self._averaged - 1), np.int64)

    def push(self, run: Floats) -> Floats:
        taken = self._average(self._decayed(self._most(self._excess_of(run))))
        passing = np.concatenate((self._passing, run))
        self._passing, given = passing[len(run) :], passing[: len(run)]
        return given if taken is None else np.asarray(given * (1 - taken), dtype=np.float32)

    def _excess_of(self, run: Floats) -> NDArray[np.float64]:
        """For each sample the part of it, in 0…1, that is above the ceiling; that of the one TAPS / 2 before
        it, and between that and the next.
        """
        heard = np.concatenate((self._heard, run))
        self._heard = heard[len(run) :]
        excess = np.zeros((len(run) // self._block, self._block))
        around = sliding_window_view(heard, self._block + TAPS - 1)[:: self._block]
        loud = np.flatnonzero(np.abs(around).max(axis=1) * MOST_OVERSHOOT > self._ceiling)
        if len(loud):
            excess[loud] = self._excess_of_blocks(around[loud])
        return excess.ravel()

    def _excess_of_blocks(self, around: Floats) -> NDArray[np.float64]:
        """`around` are rows of a block each, and the TAPS - 1 samples before it."""
        middle = TAPS // 2 - 1
        at = np.abs(around)
        peaks = np.maximum(at[:, middle:][:, : self._block], at[:, middle + 1 :][:, : self._block])
        taps = np.ascontiguousarray(sliding_window_view(around, self._block, axis=1))
        np.maximum(peaks, np.abs(BETWEEN @ taps).max(axis=1), out=peaks)
        return 1 - self._ceiling / np.maximum(peaks, self._ceiling, dtype=np.float64)

    def _most(self, excess: NDArray[np.float64]) -> NDArray[np.float64]:
        """The most within a look-ahead up to each (van Herk: of the run before it, and of its own)."""
        rows = np.concatenate((self._excess, excess)).reshape(-1, self._block)
        self._excess = excess[-self._block :]
        if not rows.any():
            return excess
        until = np.maximum.accumulate(rows, axis=1).ravel()
        since = np.maximum.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
        return np.maximum(since[1 : len(excess) + 1], until[self._block :])

    def _decayed(self, most: NDArray[np.float64]) -> NDArray[np.float64]:
        """r[n] = max(most[n], decay · r[n − 1])"""
        if not self._held and not most.any():
            return most
        # in terms of a block's first sample, or what has fallen for long would be divided by nothing
        most_of_block = np.maximum.accumulate(most.reshape(-1, self._block) / self._fallen, axis=1)
        before, fallen = [self._held], float(self._fallen[-1])
        for last in most_of_block[:-1, -1].tolist():
            share = max(last, before[-1]) * fallen
            before.append(0.0 if share < LEAST_SHARE else share)
        decayed = np.maximum(most_of_block, np.reshape(before, (-1, 1))) * self._fallen
        held = np.where(decayed < LEAST_SHARE, 0.0, decayed).ravel()
        self._held = float(held[-1])
        return held

    def _average(self, held: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Twice the mean of the last ones, which is a triangle; None where all of it is nothing. In whole
        numbers: their sums are the same wherever they begin.
        """
        steps = np.concatenate((self._steps, np.ceil(held * STEPS).astype(np.int64)))
        self._steps = steps[len(held) :]
        if not steps.any():
            return None
        for _ in range(2):
            sums = np.concatenate((NO_STEPS, np.cumsum(steps)))
            steps = sums[self._averaged :] - sums[: -self._averaged]
        return steps / (STEPS * self._averaged**2)


def _between() -> Floats:
    """A row for each place between two samples: the windowed sinc that makes one there of TAPS around it."""
    at = np.arange(TAPS) - (TAPS // 2 - 1)
    window = np.kaiser(OVERSAMPLED * TAPS + 1, 5.0)
    phases = []
    for phase in range(1, OVERSAMPLED):
        place = at - phase / OVERSAMPLED
        weights = np.sinc(place) * np.interp(place, np.linspace(-TAPS / 2, TAPS / 2, len(window)), window)
        phases.append(np.asarray(weights / weights.sum(), dtype=np.float32))
    return np.stack(phases)


BETWEEN = _between()
MOST_OVERSHOOT = max(1.0, float(np.abs(BETWEEN).sum(axis=1).max()))
"""No sample between others is larger than the largest of them times this."""
