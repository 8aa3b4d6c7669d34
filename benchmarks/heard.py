"""What all clients of a campaign of streams met, and what may be forgiven because something was killed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.reading import Text
from servers.jobs.results import BYTES_PER_SAMPLE

EXCUSED_S = 20.0
"""For so long after something was killed a reply may be refused or break off."""


@dataclass
class Heard:
    """Thread-safe. Each list has one line for each fault."""

    ways: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    """What broke off, by why."""
    samples: int = 0
    resumed: int = 0
    foreign: list[str] = field(default_factory=list)
    """Streams with a sample that is not theirs, or not in its place."""
    cut: list[str] = field(default_factory=list)
    """Streams that ended early."""
    faults: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    """By the key of its request."""
    abandoned: dict[int, float] = field(default_factory=dict)
    """When the only client of something long left, which had no key, by the number in its text."""
    killed: Counter[str] = field(default_factory=Counter)
    _killed_at: list[float] = field(default_factory=list)
    _noting: threading.Lock = field(default_factory=threading.Lock)

    def way(self, name: str) -> None:
        with self._noting:
            self.ways[name] += 1

    def note_killed(self, name: str) -> None:
        """Before it is."""
        self._killed_at.append(time.monotonic())
        self.killed[name] += 1

    def note_lost(self, why: str, what: str) -> None:
        """A fault, unless something was killed lately."""
        with self._noting:
            self.again[why] += 1
        if not self._is_excused(time.monotonic(), 0.0):
            self.faults.append(f"{what}: {why}, though nothing was killed")

    def note_job(self, key: str, job_id: str) -> None:
        """A request with a key has one job, however often it is sent."""
        if self.jobs.setdefault(key, job_id) != job_id:
            self.faults.append(f"{key} has the jobs {job_id} and {self.jobs[key]}")

    def note_abandoned(self, number: int) -> None:
        self.abandoned[number] = time.monotonic()

    def may_go_on(self, number: int) -> bool:
        """Whether the door that was to cancel this job may have been killed before it could."""
        left_at = self.abandoned.get(number)
        return left_at is None or self._is_excused(left_at, EXCUSED_S)

    def check(self, what: str, expected: bytes, start: int, pcm: bytes, has_ended: bool) -> None:
        """That the samples are those from `start` on, and all of them where it is said to have ended."""
        with self._noting:
            self.samples += len(pcm) // BYTES_PER_SAMPLE
            self.resumed += start > 0
        rest = expected[start * BYTES_PER_SAMPLE :]
        if not rest.startswith(pcm):
            self.foreign.append(f"{what} from {start}: {len(pcm)} bytes, {pcm[:16].hex()} …")
        elif has_ended and len(pcm) != len(rest):
            self.cut.append(f"{what} from {start}: {len(pcm)} bytes of {len(rest)}")

    def _is_excused(self, at: float, after_s: float) -> bool:
        return any(-after_s <= at - killed <= EXCUSED_S for killed in self._killed_at)

    def lines(self) -> list[str]:
        return [*self.foreign, *self.cut, *self.faults]


def several(texts: list[Text], format: str) -> bytes:
    return b"".join(text.pcm(format) for text in texts)
