"""How far the frames of a stream may be ahead of the time at which they are heard."""

from __future__ import annotations

import math

from servers.audio.framing import FRAME_MS

FRAME_S = FRAME_MS / 1000
LEAST_S = 1e-6
"""Nobody waits for less: it is what adding up has lost."""
BURST_S = 0.1
"""Once as much is ahead as may be, frames are sent so many seconds at a time: fewer wake-ups."""


class Pace:
    """Of one stream, whose client is taken to play frames as they come, one after the other.

    One that comes too late is played when it comes. Times are of any monotonic clock, in seconds.
    """

    def __init__(self, ahead_s: float) -> None:
        """`math.inf` is as fast as they are made."""
        self._most_s = max(0.0, ahead_s - FRAME_S)
        self._resumes_at_s = max(0.0, self._most_s - min(BURST_S, ahead_s / 2))
        self._is_full = False
        self._played_at = -math.inf
        """All that was sent is, by then."""

    def sent(self, now: float) -> None:
        self._played_at = max(self._played_at, now) + FRAME_S

    def wait_s(self, now: float) -> float:
        """How long the next frame has to; 0 where it may be sent."""
        ahead_s = max(0.0, self._played_at - now)
        self._is_full = ahead_s - (self._resumes_at_s if self._is_full else self._most_s) > LEAST_S
        return ahead_s - self._resumes_at_s if self._is_full else 0.0

    def held(self, seconds: float) -> None:
        """Nothing was played for so long."""
        self._played_at += seconds

    def begin_again(self) -> None:
        """What was sent is not played any more."""
        self._played_at = -math.inf
