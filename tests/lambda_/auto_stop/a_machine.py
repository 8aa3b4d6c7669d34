"""A machine as it is after a quiet half hour, and what can be otherwise with it."""

from __future__ import annotations

from collections.abc import Callable

from appliance.environment import Limits
from appliance.holds import Hold
from appliance.machine import Group, Instance
from appliance.metrics import Metrics, Point
from auto_stop.decision import NOTHING_ELSE, Action, Decision, Wanted, decide

NOW = 1_900_000_020.0
MINUTE, HOUR = 60.0, 3600.0
QUIET_S = 1800.0
MACHINE = Instance("i-0a", "running", launched_at=NOW - 2 * HOUR)
FLEET = Instance("i-0a", "running", launched_at=NOW - 2 * HOUR, group=Group("skylark", desired=1))


def every_minute(
    value: Callable[[float], float], since: float = NOW - 65 * MINUTE, until: float = NOW
) -> tuple[Point, ...]:
    """`value` of the minute's moment, each minute from `since` to `until`, the last one not after it."""
    count = int((until - since) // MINUTE)
    moments = [until - MINUTE * back for back in range(count, -1, -1)]
    return tuple(Point(at, value(at)) for at in moments)


def metrics(
    last_request_at: float = NOW - QUIET_S,
    work: Callable[[float], float] = lambda _: 0.0,
    since: float = NOW - 65 * MINUTE,
    until: float = NOW,
) -> Metrics:
    """What is published each minute from `since` to `until`: a last request, and the work of each moment."""
    return Metrics(
        last_request_at=every_minute(lambda at: min(last_request_at, at), since, until),
        active=every_minute(work, since, until),
        heartbeat=every_minute(lambda _: 1.0, since, until),
        since=NOW - 65 * MINUTE,
    )


IDLE = metrics()
STOP, EMPTY, KEEP, ALARM = Action.STOP, Action.EMPTY, Action.KEEP, Action.ALARM


def decided(
    metrics: Metrics = IDLE,
    instance: Instance = MACHINE,
    hold: Hold | None = None,
    now: float = NOW,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    wanted: Wanted = NOTHING_ELSE,
) -> Decision:
    return decide(metrics, instance, hold, now, limits, wanted)


def outcome(decision: Decision) -> tuple[str, str]:
    return decision.action, decision.reason
