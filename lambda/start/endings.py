"""The cases in which what was in hand ends: the machine is gone, was stopped, or never came. Pure."""

from __future__ import annotations

from dataclasses import replace

from appliance.changes import BEFORE_S, GIVEN_UP_S, begun, ended, failed, not_stopped, without_machine
from appliance.machine import Instance
from appliance.starts import STAGES, Start, State
from start.refusals import refused
from start.seen import NOTHING, SETTLE_S, STOPS_WITHIN_S, Action, Do, Seen, Step, is_told_gone

HELD = (State.STARTING, State.READY)
BY_HAND = "stopped"
"""The fault of a start whose machine somebody stopped."""


def gone(start: Start, seen: Seen, now: float) -> Step | None:
    """An instance that was terminated by hand; with nothing in hand that matters to the work that waits."""
    if not seen.is_gone or not (start.state in HELD or (seen.waiting and not is_told_gone(start))):
        return None
    id = seen.instance.id
    why = (
        f"the instance {id} is not there: somebody terminated it. terraform apply makes a new one, and"
        " accepted work waits for it"
    )
    if start.state == State.READY:
        start = ended(start, "somebody", f"{id} was terminated", now)
    return failed(start, "terminated", why, now), NOTHING, why


def stop_in_hand(start: Start, seen: Seen, now: float) -> Step | None:
    """Once the machine is off it has ended; a machine that runs on is served again."""
    if start.state != State.STOPPING:
        return None
    if not seen.instance.runs:
        why = f"{start.instance} was stopped: {start.stopped_why}"
        return ended(start, start.stopped_by, start.stopped_why, now), NOTHING, why
    if now - start.stopping_at < STOPS_WITHIN_S:
        return None
    return not_stopped(start, now), NOTHING, "it was to stop, and runs on: it is served again"


def ended_outside(start: Start, seen: Seen, now: float) -> Step | None:
    """A machine that nobody here has stopped. The first case that applies:

    1. Another machine, or another run of it, stands in, or its group makes one: the stages begin again.
    2. It was ready: that is over. AWS takes spot instances away.
    3. AWS took it back while it started: that was an attempt that was refused.
    4. Somebody stopped it while it started, and somebody has asked for it since it was there: once more.
    5. Somebody stopped it while it started: that start has failed.
    """
    instance = seen.instance
    if start.state not in HELD or start.capacity_at is None or _is_its(start, instance):
        return None
    if not instance.runs and not _is_over(start, instance, now):
        return None
    what = outside(start, instance)
    if instance.runs or seen.is_wanted:
        return _once_more(start, instance, what, now)  # 1
    if start.state == State.READY:
        taken = instance.reason.startswith("Server.Spot")
        by, event = ("aws", "interruption") if taken else ("somebody", "stopped")
        return ended(start, by, what, now, event), NOTHING, what  # 2
    if instance.reason.startswith("Server."):
        code = instance.reason.removeprefix("Server.")
        again = refused(without_machine(start), code, what, instance.type, seen.types, now)
        return again, NOTHING, f"{what}: an attempt was refused"  # 3
    if start.wished_at > start.capacity_at:
        return _once_more(start, instance, what, now)  # 4
    why = f"{what} while it was starting: ask again, if it is wanted"
    return failed(ended(start, "somebody", what, now), BY_HAND, why, now), NOTHING, why  # 5


def was_stopped_outside(start: Start, seen: Seen, now: float) -> bool:
    """Whether the machine that a start got is off, and neither a stop of ours nor its group's doing."""
    if start.state not in HELD or start.capacity_at is None or seen.is_wanted or seen.is_gone:
        return False
    return not seen.instance.runs and _is_over(start, seen.instance, now)


def _is_over(start: Start, instance: Instance, now: float) -> bool:
    """Of one that does not run: whether the start got that run. EC2 may still tell of the former."""
    waited = start.capacity_at is not None and now - start.capacity_at >= SETTLE_S
    return waited or instance.launched_at >= start.launched_at


def outside(start: Start, instance: Instance) -> str:
    return f"{start.instance} was stopped outside ({instance.reason or instance.state or 'it is gone'})"


def _is_its(start: Start, instance: Instance) -> bool:
    """Whether that is the run which the start got, and it goes on."""
    return instance.runs and instance.id == start.instance and instance.launched_at == start.launched_at


def _once_more(start: Start, instance: Instance, what: str, now: float) -> Step:
    """For the same people; a start that was not ready yet is not given more time for it."""
    at = min(now - BEFORE_S, instance.launched_at) if instance.runs else now - BEFORE_S
    again = begun(ended(start, "somebody", what, at), start.asked_by, start.why, now)
    if start.in_hand:
        again = replace(again, asked_at=start.asked_at, deadline_at=start.deadline_at)
    return again, NOTHING, f"{what}: the stages begin again"


def given_up(start: Start, seen: Seen, now: float) -> Step | None:
    """A start that takes too long, and the group that would try on."""
    if start.in_hand and now >= start.deadline_at:
        why = _why_given_up(start, seen)
        return failed(start, "given_up", why, now), NOTHING, why
    group = seen.instance.group
    if start.state == State.FAILED and group and group.desired > 0 and not seen.instance.state:
        return start, Action(Do.EMPTY), f"the start was given up: {group.name} is to try no longer"
    return None


def _why_given_up(start: Start, seen: Seen) -> str:
    late = f"it was not ready {GIVEN_UP_S / 3600:.0f} h after it was asked for"
    fault = f" ({start.fault.code}: {start.fault.message})" if start.fault else ""
    if start.capacity_at is None:
        return f"{late}: AWS gave no machine{fault}. Other types, zones or another region may have one"
    silent = [service for service in seen.leads if not seen.healthy.get(service)]
    stage = next((stage for stage in STAGES if start.ended_at(stage) is None), "")
    last = f"{', '.join(silent)} do not answer" if not stage else f"it came no further than to {stage}"
    return f"{late}: {last}{fault}. {start.instance} runs on, and costs: look at it, or stop it"
