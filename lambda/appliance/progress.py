"""How far a start is, how long each stage takes otherwise, and how long it takes yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from appliance.changes import seconds
from appliance.starts import STAGES, Start, State

USUAL_S = {"capacity": 20.0, "boot": 45.0, "image": 60.0, "model": 60.0, "audio": 15.0}
"""Where no start has been yet."""
COUNTED = 10
"""Of so many last starts the median is what is usual."""
LEAST_LEFT_S = 5.0


@dataclass(frozen=True)
class Stage:
    stage: str
    state: str  # done, running, waiting
    seconds: float | None  # that it took, or takes until now
    usual_s: float

    def body(self) -> dict[str, Any]:
        took = None if self.seconds is None else round(self.seconds, 1)
        return {"stage": self.stage, "state": self.state, "seconds": took, "usual_s": round(self.usual_s, 1)}


def usual(entries: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Of each stage the median, by the ledger's entries, the newest first."""
    starts = [entry.get("seconds") or {} for entry in entries if entry.get("event") == "start_ready"]
    found = {
        stage: [float(took[stage]) for took in starts[:COUNTED] if isinstance(took.get(stage), (int, float))]
        for stage in STAGES
    }
    return {stage: median(found[stage]) if found[stage] else USUAL_S[stage] for stage in STAGES}


def stages(start: Start, usual_s: Mapping[str, float], now: float) -> list[Stage]:
    """Each stage of the start in hand, or of the last one; of a machine that is off all are to come."""
    took, running = seconds(start), current(start)
    ends = [at for stage in STAGES if (at := start.ended_at(stage)) is not None]
    begun_at = max([start.asked_at, *ends])

    def stage(name: str) -> Stage:
        if name == running:
            return Stage(name, "running", max(0.0, now - begun_at), usual_s[name])
        if start.state != State.OFF and (start.ended_at(name) is not None or start.ready_at is not None):
            return Stage(name, "done", took.get(name), usual_s[name])
        return Stage(name, "waiting", None, usual_s[name])

    return [stage(name) for name in STAGES]


def current(start: Start) -> str | None:
    """The stage that runs; of a start that only waits for its services it is the last one."""
    if not start.in_hand:
        return None
    return next((stage for stage in STAGES if start.ended_at(stage) is None), STAGES[-1])


def left_s(start: Start, usual_s: Mapping[str, float], now: float) -> float | None:
    """Until it is ready, as it usually is; None where nothing is in hand. Never 0: it is not ready yet."""
    running = current(start)
    if running is None:
        return None
    found = stages(start, usual_s, now)
    ahead = [each for each in found if each.state == "waiting"]
    (now_on,) = [each for each in found if each.stage == running]
    rest = max(LEAST_LEFT_S, now_on.usual_s - (now_on.seconds or 0.0))
    paused_s = max(0.0, start.next_attempt_at - now) if running == STAGES[0] and start.fault else 0.0
    return round(paused_s + rest + sum(each.usual_s for each in ahead), 1)
