"""How a machine is, in words: a start's stages, a status, and what became of a start. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from servers.cli.durations import clock, spoken
from servers.cli.machine_client import Fault, Stage, Status, Stopped

STAGES = {
    "capacity": "capacity",
    "boot": "boot",
    "image": "image",
    "model": "model",
    "audio": "first audio",
}
"""What people call them, in their order."""
MARKS = {"done": "✓", "running": "…", "waiting": "·"}


def stage_line(stage: Stage) -> str:
    """boot             61 s  (usually 60 s)"""
    took = "" if stage.seconds is None else spoken(stage.seconds)
    usual = "" if stage.usual_s is None else f"  (usually {spoken(stage.usual_s)})"
    return f"{STAGES.get(stage.stage, stage.stage):12}{took:>10}{usual}"


def news(before: Status | None, seen: Status, now: float) -> Iterator[str]:
    """What is to be said, in lines, where nobody looks at a screen: each stage once when it is done, and each
    fault once.
    """
    was_done = {stage.stage for stage in before.stages if stage.state == "done"} if before else set()
    for stage in seen.stages:
        if stage.state == "done" and stage.stage not in was_done:
            yield stage_line(stage)
    if seen.fault and seen.state != "failed" and (before is None or before.fault != seen.fault):
        yield fault_line(seen.fault, now)


def fault_line(fault: Fault, now: float) -> str:
    """What is wrong, and when it is tried again."""
    if fault.next_attempt_at is None:
        return fault.message
    wait_s = fault.next_attempt_at - now
    again = "now" if wait_s <= 0 else f"at {clock(fault.next_attempt_at, now)}, in {spoken(wait_s)}"
    return f"{fault.message.rstrip('.')}: it is tried again {again}"


def who_asked(seen: Status, now: float) -> str:
    """maria asked for it 40 s ago (chapter 3)"""
    ago = "" if seen.asked_at is None else f" {spoken(now - seen.asked_at)} ago"
    why = f" ({seen.why})" if seen.why else ""
    return f"{seen.asked_by or 'somebody'} asked for it{ago}{why}"


def who_stopped(stopped: Stopped, now: float) -> str:
    """auto_stop, 2 h ago (no work for 900 s)"""
    why = f" ({stopped.why})" if stopped.why else ""
    return f"{stopped.by or 'somebody'}, {spoken(now - stopped.at)} ago{why}"


def what_it_is(seen: Status) -> str:
    """g5.xlarge, spot, in eu-central-1a, $0.42 an hour"""
    price = "its price is unknown" if seen.price_per_hour is None else f"${seen.price_per_hour:.2f} an hour"
    kind = [seen.type] if seen.type else []
    kind += ["spot"] if seen.spot else []
    kind += [f"in {seen.zone}"] if seen.zone else []
    return ", ".join([*kind, price] if seen.type else kind)


def until_when(seen: Status, now: float) -> str:
    """How long it stays, of all who hold it."""
    ends = [(hold.until or math.inf, hold.by) for hold in seen.holds]
    until, by = max(ends, default=(0.0, ""))
    if until <= now:
        return "nobody holds it: it stops when it has no work"
    return f"held {_until(until, now)} by {by}"


def _until(until: float, now: float) -> str:
    return f"until {clock(until, now)}" if math.isfinite(until) else "without an end"


def outcome(seen: Status, now: float) -> str:
    """The last line of a start."""
    parts = ["ready", what_it_is(seen), until_when(seen, now)]
    return f"{'; '.join(part for part in parts if part)}"


def status_lines(seen: Status, now: float) -> Iterator[str]:
    """As people read it: a line for each thing that there is to say."""
    yield f"{'state':9}{_state(seen)}"
    if seen.instance:
        yield f"{'machine':9}{', '.join(part for part in (seen.instance, what_it_is(seen)) if part)}"
    if seen.state in ("starting", "ready", "failed") and seen.asked_by:
        yield f"{'asked':9}{who_asked(seen, now)}"
    if seen.state == "starting":
        yield from (
            f"{'':9}{MARKS.get(stage.state, ' ')} {stage_line(stage)}".rstrip() for stage in seen.stages
        )
    if seen.stopped:
        yield f"{'stopped':9}{who_stopped(seen.stopped, now)}"
    if seen.fault:
        yield f"{'fault':9}{fault_line(seen.fault, now)}"
    yield from _use(seen, now)
    if seen.waiting:
        yield f"{'waiting':9}{seen.waiting} accepted while it was off"
    if seen.cost:
        yield f"{'cost':9}{_cost(seen)}"


def _state(seen: Status) -> str:
    if seen.state == "ready" and seen.active:
        return "busy"
    if seen.state != "starting" or seen.left_s is None:
        return seen.state
    return f"starting, ready in about {spoken(seen.left_s)}"


def _use(seen: Status, now: float) -> Iterator[str]:
    if seen.active:
        yield f"{'work':9}{seen.active:g} pieces of work in hand"
    elif seen.state == "ready" and seen.idle_s is not None:
        yield f"{'work':9}none for {spoken(seen.idle_s)}"
    for hold in seen.holds:
        why = f" ({hold.why})" if hold.why else ""
        yield f"{'held':9}{_until(hold.until or math.inf, now)} by {hold.by}{why}"
    if seen.stops_at is not None and seen.state == "ready":
        yield f"{'stops':9}at {clock(seen.stops_at, now)}, if no work comes"


def _cost(seen: Status) -> str:
    assert seen.cost is not None
    today, month, saved = (
        dollars(each) for each in (seen.cost.today, seen.cost.month, seen.cost.saved_month)
    )
    return f"{today} today, {month} this month; stopping saved {saved} this month"


def dollars(amount: float | None) -> str:
    """Cents are enough; what costs less than one is not 0. What is unknown is said to be."""
    if amount is None:
        return "unknown"
    return "less than $0.01" if 0 < amount < 0.005 else f"${amount:,.2f}"
