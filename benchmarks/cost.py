"""What work costs: the processor's seconds, those without a chance to stop, and the memory at its peak."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure


@dataclass(frozen=True)
class Cost:
    """Seconds of the processor: all, and the most without a chance to stop; and the most memory meanwhile."""

    begun: float
    seconds: float
    longest_s: float
    peak_mib: float

    def stopping_at(self, chances: list[float]) -> Cost:
        """With the moments at which it could have been stopped."""
        marks = [self.begun, *chances, self.begun + self.seconds]
        longest_s = max(after - before for before, after in pairwise(marks))
        return Cost(self.begun, self.seconds, longest_s, self.peak_mib)


def costing(work: Callable[[], Iterable[Any]]) -> Cost:
    """What it costs to go through `work`, which can be stopped whenever it yields."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, begun = _status("VmRSS"), time.process_time()
    chances = []
    for item in work():
        if isinstance(item, tuple) and isinstance(item[-1], Exception):
            raise item[-1]
        chances.append(time.process_time())
    seconds = time.process_time() - begun
    return Cost(begun, seconds, seconds, _status("VmHWM") - before).stopping_at(chances)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kibibytes) / 1024


def figures(what: str, cost: Cost) -> list[Figure]:
    return [
        Figure(f"{what}: time", cost.seconds, "s"),
        Figure(f"{what}: longest without a chance to stop", cost.longest_s, "s"),
        Figure(f"{what}: memory at its peak", cost.peak_mib, "MiB"),
    ]


def alone(measured: Callable[..., Any], *arguments: Any, preload: Sequence[str], **environment: str) -> Any:
    """What `measured` returns, in a process of its own: these modules are all that is in its memory."""
    os.environ |= environment
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with context.Pool(1) as processes:
        return processes.apply(measured, arguments)
