"""What is told of the machine: the body of every answer of /machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.environment import Limits
from appliance.holds import Hold, latest
from appliance.metrics import Metrics, of_this_start
from appliance.progress import current, left_s, stages
from appliance.starts import SKEW_S, Start, State
from appliance.waiting import Waiting
from auto_stop.decision import Wanted, decide
from start.seen import Seen

STOPS = ("idle", "recent", "grace", "held")
"""The decisions that say when it stops, if nothing comes."""
LEAVING = ("stopping", "shutting-down")


@dataclass(frozen=True)
class Known:
    """What a status is made of. `metrics` is None where the machine does not serve."""

    appliance: str
    start: Start
    seen: Seen
    limits: Limits
    usual_s: Mapping[str, float]
    holds: Sequence[Hold] = ()
    waiting: Waiting = field(default_factory=Waiting)
    metrics: Metrics | None = None


def body(known: Known, now: float) -> dict[str, Any]:
    start, instance = known.start, known.seen.instance
    off = start.state == State.OFF
    return {
        "appliance": known.appliance,
        "state": state(start, known.seen),
        "stage": current(start),
        "stages": [stage.body() for stage in stages(start, known.usual_s, now)],
        "left_s": left_s(start, known.usual_s, now),
        "asked_by": None if off else start.asked_by,
        "why": None if off else start.why,
        "asked_at": None if off else start.asked_at,
        "instance": instance.id or None,
        "type": instance.type or None,
        "zone": instance.zone or None,
        "spot": bool(instance.spot),
        "holds": _holds(known.holds, now),
        "waiting": known.waiting.waits,
        "fault": _fault(start, known.seen),
        "stopped": _stopped(start) if off else None,
    } | _use(known, now)


def state(start: Start, seen: Seen) -> State:
    """As it is told: a machine that is off is one that stops, while it does."""
    if start.state == State.OFF and seen.instance.state in LEAVING:
        return State.STOPPING
    return start.state


def _use(known: Known, now: float) -> dict[str, Any]:
    """How it is used; None is not known."""
    nothing = {"active": None, "idle_s": None, "stops_at": None}
    if known.metrics is None or not known.seen.instance.runs:
        return nothing
    start, instance, limits = known.start, known.seen.instance, known.limits
    wanted = Wanted(start.asked_by if start.in_hand else "", known.waiting)
    hold = latest(known.holds, now)
    decision = decide(known.metrics, instance, hold, now, limits, wanted)
    active = _active(of_this_start(known.metrics, instance.launched_at), now, limits)
    if active or decision.idle_s is None or decision.reason not in STOPS:
        return nothing | {"active": active}
    due_at = max(now - decision.idle_s + limits.idle_s, instance.launched_at + limits.grace_s, now)
    until = [hold.until for hold in known.holds if not hold.fault]
    return {
        "active": active,
        "idle_s": round(decision.idle_s),
        "stops_at": round(max([due_at, *until])),
    }


def _active(metrics: Metrics, now: float, limits: Limits) -> int | None:
    """By the last news, where there are some."""
    news = [point for point in metrics.active if now - limits.fresh_s < point.at <= now + SKEW_S]
    return round(news[-1].value) if news else None


def _holds(holds: Iterable[Hold], now: float) -> list[dict[str, Any]]:
    """Those in force; one that cannot be read has no end."""
    found = [
        {"by": hold.by, "until": None if hold.fault else hold.until, "why": hold.fault or hold.why}
        for hold in holds
        if hold.fault or hold.until > now
    ]
    return sorted(found, key=lambda hold: str(hold["by"]))


def _fault(start: Start, seen: Seen) -> dict[str, Any] | None:
    silent = [service for service in seen.leads if not seen.healthy.get(service)]
    if start.state == State.READY and silent:
        message = f"{', '.join(silent)} does not answer, and reception is asked instead"
        return {"code": "silent", "message": message, "next_attempt_at": None}
    if start.fault is None:
        return None
    again_at = start.next_attempt_at if start.in_hand and start.capacity_at is None else 0.0
    return {
        "code": start.fault.code,
        "message": start.fault.message,
        "next_attempt_at": again_at or None,
    }


def _stopped(start: Start) -> dict[str, Any] | None:
    if not start.stopped_at:
        return None
    return {"at": start.stopped_at, "by": start.stopped_by, "why": start.stopped_why}
