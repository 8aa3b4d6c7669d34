"""What is done next for a machine that somebody wants, or nobody any more: pure, of what was seen."""

from __future__ import annotations

from dataclasses import replace

from appliance.changes import BEFORE_S, begun, claimed, ended, got, ready
from appliance.routes import Lead
from appliance.starts import STAGES, Fault, Start, State
from start.endings import (
    BY_HAND,
    HELD,
    ended_outside,
    given_up,
    gone,
    outside,
    stop_in_hand,
    was_stopped_outside,
)
from start.refusals import next_type
from start.seen import (
    NOTHING,
    SETTLE_S,
    STOPS_WITHIN_S,
    Action,
    Do,
    Seen,
    Step,
    has_spoken,
    is_told_gone,
    runs,
    served,
)

UNSEEN_S = 20.0
"""So long EC2 may not show yet that it was told to start: it is not told again."""
AGAIN_S = 1800.0
"""So long after a start that failed another one is begun for the work that waits, without anybody asking."""


def advance(start: Start, seen: Seen, now: float) -> Step:
    """One step: the start as it is then, what is to be done, and why. It is called until nothing changes.
    The first case that applies:

    1. A person or the ledger is to be told something: so it is, by one function at a time.
    2. The machine is not there any more, and no group makes another: what was in hand has failed.
    3. A stop is in hand: it has ended once the machine is off; one that did not come about is forgotten.
    4. The machine was stopped outside, or another stands in: what was in hand ends, or begins once more.
    5. A machine runs that nobody wants: whoever started it, it is taken up as a start.
    6. Work waits and nothing is in hand: a start, half an hour after one that failed.
    7. A start takes too long: it is given up. A group that would try on is emptied.
    8. A start is in hand and no machine runs: it is started, when that is due, with the type that is due.
    9. A start is in hand and a machine runs: the ends of its stages are noted.
    10. Rules lead elsewhere than they should: they are switched, unless a release leads them.
    11. A start's machine has spoken, and every service is led to it: it is ready.
    12. Nothing is to be done.
    """
    return (
        _tell(start, now)  # 1
        or gone(start, seen, now)  # 2
        or stop_in_hand(start, seen, now)  # 3
        or ended_outside(start, seen, now)  # 4
        or _found(start, seen, now)  # 5
        or _for_work(start, seen, now)  # 6
        or given_up(start, seen, now)  # 7
        or _begin(start, seen, now)  # 8
        or _note(start, seen, now)  # 9
        or _route(start, seen, now)  # 10
        or _ready(start, seen, now)  # 11
        or (start, NOTHING, f"it is {start.state}: nothing is to be done")  # 12
    )


def ask(start: Start, seen: Seen, by: str, why: str, now: float) -> Start:
    """Somebody wants the machine. The first case that applies:

    1. It was just stopped outside: that run is over, and a start begins.
    2. It starts, or is ready: whoever asks joins, and a stop that was decided before does not come about.
    3. AWS refused it just now: whoever asks is told so, and AWS is not asked once more.
    4. It is not there any more: the same, for as long as it is not.
    5. Else a start begins; that of a machine that stops goes on once it has.
    """
    if was_stopped_outside(start, seen, now):
        over = ended(start, "somebody", outside(start, seen.instance), now - BEFORE_S)
        return begun(over, by, why, now)  # 1
    if start.state in HELD:
        return replace(start, wished_at=now)  # 2
    if _was_just_refused(start, now):
        return start  # 3
    if seen.is_gone and is_told_gone(start):
        return start  # 4
    return begun(start, by, why, now)  # 5


def _was_just_refused(start: Start, now: float) -> bool:
    by_hand = start.fault is not None and start.fault.code == BY_HAND
    return start.state == State.FAILED and now - start.failed_at < SETTLE_S and not by_hand


def _tell(start: Start, now: float) -> Step | None:
    mine = claimed(start, now)
    return (mine, Action(Do.TELL), "what happened is told") if mine else None


def _found(start: Start, seen: Seen, now: float) -> Step | None:
    instance = seen.instance
    if start.state not in (State.OFF, State.FAILED) or not instance.runs:
        return None
    anew = instance.launched_at > max(start.stopped_at, start.failed_at)
    runs_on = start.state == State.OFF and now - start.stopped_at >= STOPS_WITHIN_S
    answers = start.state == State.FAILED and bool(seen.leads) and seen.all_healthy
    if not (anew or runs_on or answers):
        return None
    why = f"{instance.id} was found running"
    return begun(start, "somebody", why, now, since=instance.launched_at), NOTHING, why


def _for_work(start: Start, seen: Seen, now: float) -> Step | None:
    if not seen.waiting or start.state not in (State.OFF, State.FAILED) or seen.is_gone:
        return None
    if start.state == State.FAILED and now - start.failed_at < AGAIN_S:
        return None
    why = f"{seen.waiting} pieces of accepted work wait"
    return begun(start, "reception", why, now), NOTHING, why


def _begin(start: Start, seen: Seen, now: float) -> Step | None:
    instance = seen.instance
    if not start.in_hand or instance.runs:
        return None
    if instance.group is not None:
        return _begin_group(start, seen, now)
    if instance.state != "stopped" or now < start.next_attempt_at or start.capacity_at is not None:
        return None
    type = next_type(start, instance.type, seen.types)
    if type != instance.type:
        return start, Action(Do.CHANGE_TYPE, type), f"{instance.id} becomes a {type}"
    tried = replace(start, next_attempt_at=now + UNSEEN_S)
    return tried, Action(Do.START), f"{instance.id}, a {type}, is started"


def _begin_group(start: Start, seen: Seen, now: float) -> Step | None:
    """A group tries by itself, all its types and zones; what it was refused is told."""
    group = seen.instance.group
    if group is not None and group.desired == 0:
        if now < start.next_attempt_at:
            return None
        tried = replace(start, next_attempt_at=now + UNSEEN_S)
        return tried, Action(Do.START), f"the group {group.name} is to have a machine"
    if not seen.refusals:
        return None
    last = seen.refusals[0]
    heard = replace(start, attempts=len(seen.refusals), fault=Fault(last.code, last.message))
    return (heard, NOTHING, f"its group was refused a machine: {last.code}") if heard != start else None


def _note(start: Start, seen: Seen, now: float) -> Step | None:
    if not start.in_hand or not runs(start, seen, now):
        return None
    noted = got(start, seen.instance, now) if start.capacity_at is None else start
    ends = {f"{stage}_at": getattr(seen.boot, f"{stage}_at") for stage in STAGES[1:]}
    told = {name: at for name, at in ends.items() if at is not None}
    all_answer = bool(seen.leads) and seen.all_healthy
    noted = replace(
        noted,
        **told,
        fault=Fault("boot", seen.boot.fault) if seen.boot.fault else None,
        healthy_at=(start.healthy_at or now) if all_answer else None,
    )
    return (noted, NOTHING, "its stages are noted") if noted != start else None


def _route(start: Start, seen: Seen, now: float) -> Step | None:
    if seen.rules_held:
        return None
    services = served(start, seen, now)
    wrong = [
        service
        for service, lead in seen.leads.items()
        if lead != (Lead.MACHINE if service in services else Lead.RECEPTION)
    ]
    if not wrong:
        return None
    to = ", ".join(sorted(services)) or "nothing"
    return (
        start,
        Action(Do.ROUTE, services=services),
        f"{', '.join(wrong)} led wrong: {to} is led to the machine",
    )


def _ready(start: Start, seen: Seen, now: float) -> Step | None:
    if not start.in_hand or not runs(start, seen, now) or not has_spoken(start, now) or not seen.all_healthy:
        return None
    return (
        ready(start, now),
        NOTHING,
        f"{start.instance} is ready, {now - start.asked_at:.0f} s after it was asked for",
    )
