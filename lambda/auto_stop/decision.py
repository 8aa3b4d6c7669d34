"""Whether the machine is stopped: pure, of what CloudWatch, EC2 and the holds said, and of the time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from appliance.environment import DEFAULTS, Limits
from appliance.holds import Hold
from appliance.machine import Instance
from appliance.metrics import Metrics, of_this_start
from appliance.waiting import Waiting

NONE = Waiting()
SETTLE_S = 6.0
"""So long after the rules were led away a request may still have come to the machine, and the hold that this
writes for it be on its way (servers/monitor/own_hold.py).
"""
SKEW_S = 60.0
"""So much may two clocks differ before what one says is from the other's future."""


class Action(StrEnum):
    KEEP = "keep"
    ALARM = "alarm"  # keep it, and tell a person
    STOP = "stop"
    EMPTY = "empty"  # its group would start it again: the group's desired capacity is set to 0


@dataclass(frozen=True)
class Wanted:
    """What else is wanted of the machine, as the table and the release say."""

    starting_for: str = ""  # who asked for the start that is in hand; "": none is
    waiting: Waiting = NONE
    has_image: bool = True  # to serve with: something was released


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str  # one word, for those who count
    why: str  # a sentence, for those who read
    idle_s: float | None = None

    @property
    def stops(self) -> bool:
        return self.action in (Action.STOP, Action.EMPTY)


NOTHING_ELSE = Wanted()


def decide(
    metrics: Metrics,
    instance: Instance,
    hold: Hold | None,
    now: float,
    limits: Limits = DEFAULTS,
    wanted: Wanted = NOTHING_ELSE,
) -> Decision:
    """What becomes of the machine. The first case that applies:

    1. It does not run, or its group was emptied already: there is nothing to stop.
    2. It started just now: it stays.
    3. Nothing was released that it could serve with, nobody holds it, and no work waits: as 13.
    4. Somebody starts it, and it is not ready yet: it stays until it is, or until that is given up.
    5. Nothing was heard for an hour of something that decides: an alarm, and no stop.
    6. Its clock is ahead of ours: an alarm, for nobody can say how long it was idle.
    7. There is work, whatever else is not known: it stays.
    8. Accepted work waits, or it has some in hand: it stays. When none was taken for an hour, it is an alarm.
    9. Somebody holds it: it stays. A hold that cannot be read holds, and is an alarm.
    10. Something that decides was not heard lately: it stays.
    11. It will not have been idle long enough by the time at which it could be stopped: it stays.
    12. It cannot be stopped, or shall not be: an alarm that says what a person can do.
    13. Its group would start it again: the group is emptied. Else it is stopped.
    """
    metrics = of_this_start(metrics, instance.launched_at)
    idle_s = max(0.0, now - idle_since(metrics, instance, now, limits))
    found = (
        _not_running(instance)  # 1
        or _starting(instance, now, limits)  # 2
        or _without_image(instance, hold, now, wanted)  # 3
        or _start_in_hand(instance, wanted)  # 4
        or _blind(metrics, instance, now, limits)  # 5
        or _ahead(metrics, now)  # 6
        or _busy(metrics, now, limits)  # 7
        or _waited_for(instance, wanted.waiting, now, limits)  # 8
        or _held(hold, now)  # 9
        or _unheard(metrics, now, limits)  # 10
        or _not_yet(idle_s, limits)  # 11
        or unstoppable(instance)  # 12
        or _stop(instance, "idle", f"no work for {idle_s:.0f} s")  # 13
    )
    return replace(found, idle_s=idle_s) if instance.state == "running" else found


def idle_since(metrics: Metrics, instance: Instance, now: float, limits: Limits = DEFAULTS) -> float:
    """The last moment at which there was work, or at which nobody can say that there was none."""
    requests = [min(point.value, now) for point in metrics.last_request_at]
    busy = [point.at for point in metrics.active if point.value > 0]
    return max(instance.launched_at, _heard_since(metrics, instance, limits), *requests, *busy)


def _heard_since(metrics: Metrics, instance: Instance, limits: Limits) -> float:
    """Since when the machine told of its work without a gap: what was done in a gap, nobody knows."""
    begin = max(instance.launched_at, metrics.since)
    moments = [begin, *(point.at for point in metrics.active)]
    gaps = [after for before, after in pairwise(moments) if after - before > limits.fresh_s]
    return max(gaps, default=instance.launched_at)


def _not_running(instance: Instance) -> Decision | None:
    if instance.group and instance.group.desired == 0:
        return _keep("emptied", f"the group {instance.group.name} wants no machine: nothing is to be stopped")
    if not instance.state:
        return _keep("gone", "there is no machine: somebody terminated it, or its group has not started one")
    if instance.state == "pending":
        return _keep("starting", f"{instance.id} is starting")
    if instance.state != "running":
        return _keep("not_running", f"{instance.id} is {instance.state}: nothing is to be stopped")
    return None


def _starting(instance: Instance, now: float, limits: Limits) -> Decision | None:
    up_s = now - instance.launched_at
    if up_s >= limits.grace_s:
        return None
    return _keep("grace", f"{instance.id} started {up_s:.0f} s ago, and has {limits.grace_s:.0f} s of grace")


def _without_image(instance: Instance, hold: Hold | None, now: float, wanted: Wanted) -> Decision | None:
    """Its start is in hand until that is given up, and it never says anything."""
    if wanted.has_image or wanted.waiting.waits or wanted.waiting.taken or _held(hold, now):
        return None
    why = "nothing was released yet, and it can serve nobody"
    return unstoppable(instance) or _stop(instance, "no_image", why)


def _start_in_hand(instance: Instance, wanted: Wanted) -> Decision | None:
    if not wanted.starting_for:
        return None
    return _keep("starting", f"{instance.id} is started for {wanted.starting_for}, and is not ready yet")


def _blind(metrics: Metrics, instance: Instance, now: float, limits: Limits) -> Decision | None:
    if now - instance.launched_at < limits.blind_s:
        return None
    unheard = _silent(metrics, now, limits.blind_s)
    if not unheard:
        return None
    return _alarm(
        "blind",
        f"{instance.id} runs, and published no {' and no '.join(unheard)} for {limits.blind_s / 60:.0f} min:"
        " nobody knows whether it works, and it is not stopped. Look at its publisher, or stop it yourself",
    )


def _ahead(metrics: Metrics, now: float) -> Decision | None:
    latest = metrics.last_request_at[-1].value if metrics.last_request_at else 0.0
    if latest <= now + SKEW_S:
        return None
    return _alarm(
        "clock",
        f"its last request is {latest - now:.0f} s in the future: its clock or ours is wrong, and it is not"
        " stopped until that is mended",
    )


def _busy(metrics: Metrics, now: float, limits: Limits) -> Decision | None:
    # What is dated in the future counts too: that it was busy is a reason to keep it at any date.
    work = [point.value for point in metrics.active if point.at > now - limits.fresh_s and point.value > 0]
    if not work:
        return None
    return _keep("busy", f"it has {work[-1]:g} pieces of work, queued or running")


def _waited_for(instance: Instance, waiting: Waiting, now: float, limits: Limits) -> Decision | None:
    if not waiting.waits and not waiting.taken:
        return None
    told = f"{waiting.waits} pieces of accepted work wait for it, and it has {waiting.taken} in hand"
    stuck = waiting.waits and not waiting.taken
    if stuck and now - max(waiting.since, instance.launched_at) >= limits.blind_s:
        return _alarm(
            "waiting",
            f"{told}: it took none for {limits.blind_s / 60:.0f} min, and is not stopped. Look at its intake,"
            " or stop it yourself",
        )
    return _keep("waiting", told)


def _held(hold: Hold | None, now: float) -> Decision | None:
    if hold is None:
        return None
    if hold.fault:
        return _alarm("hold_unreadable", f"a hold cannot be read, and holds until it is mended: {hold.fault}")
    if hold.until <= now:
        return None
    return _keep("held", f"{hold.by or 'somebody'} holds it for another {hold.until - now:.0f} s")


def _unheard(metrics: Metrics, now: float, limits: Limits) -> Decision | None:
    unheard = _silent(metrics, now, limits.fresh_s)
    if unheard:
        return _keep(
            "no_data", f"no {' and no '.join(unheard)} for {limits.fresh_s:.0f} s: that is no reason to stop"
        )
    if any(not point.value >= 0 for point in metrics.active if point.at > now - limits.fresh_s):
        return _keep("no_data", "its ActiveRequests is no count: that is no reason to stop")
    return None


def _silent(metrics: Metrics, now: float, within_s: float) -> list[str]:
    """The metrics of which nothing was heard in so many seconds."""
    series = {
        "Heartbeat": metrics.heartbeat,
        "ActiveRequests": metrics.active,
        "LastRequestAt": metrics.last_request_at,
    }
    return [
        name
        for name, points in series.items()
        if not any(now - within_s < point.at <= now + SKEW_S for point in points)
    ]


def _not_yet(idle_s: float, limits: Limits) -> Decision | None:
    if idle_s + SETTLE_S >= limits.idle_s:
        return None
    return _keep(
        "recent", f"it was idle for {idle_s:.0f} s of the {limits.idle_s:.0f} after which it is stopped"
    )


def unstoppable(instance: Instance) -> Decision | None:
    group = instance.group
    if group and group.minimum > 0:
        return _alarm(
            "minimum",
            f"the group {group.name} has a minimum of {group.minimum}: set it to 0, and it can be emptied",
        )
    if group and instance.protected:
        return _alarm(
            "protected",
            f"{instance.id} is protected from being scaled in: take that away, and it can be stopped",
        )
    if not group and instance.spot and instance.spot != "persistent":
        return _alarm(
            "one_time_spot",
            f"{instance.id} is of a one-time spot request, which cannot be stopped: terminate it, and use"
            " a group (capacity fleet) or a persistent request",
        )
    return None


def _stop(instance: Instance, reason: str, why: str) -> Decision:
    if instance.group:
        return Decision(Action.EMPTY, reason, f"{why}: the group {instance.group.name} is to have no machine")
    return Decision(Action.STOP, reason, f"{why}: {instance.id} is to stop")


def _keep(reason: str, why: str) -> Decision:
    return Decision(Action.KEEP, reason, why)


def _alarm(reason: str, why: str) -> Decision:
    return Decision(Action.ALARM, reason, why)
