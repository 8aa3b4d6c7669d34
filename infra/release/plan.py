"""What a release does next: pure, of how far it is, what is seen, and the time.

A machine has two places, blue and green. A release starts an image in the one that is free, has it speak, and
leads the clients there. To go back is the same, with the image that the other place had before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

PLACES = ("blue", "green")


def other(place: str) -> str:
    return "green" if place == "blue" else "blue"


class Step(StrEnum):
    """What is done. All can be done again: a release that was killed does its last one twice."""

    WAIT = "wait"
    START_MACHINE = "start the machine"
    RUN_NEW = "run the new place"
    SMOKE = "smoke it"
    SHIFT = "lead clients to it"
    RECORD = "record it"
    END_OLD = "end the old place"
    TO_RECEPTION = "lead clients to the reception"
    RUN_OLD = "run the old place again"
    LEAD_BACK = "lead clients back"
    END_NEW = "end the new place"
    FAIL = "give it up"
    FINISH = "finish"


@dataclass(frozen=True)
class Release:
    """How far it is: what is stored around each step. Times are seconds since 1970."""

    image: str
    """With its digest."""
    place: str
    old_image: str = ""
    """Of the other place, which serves; empty before the first release."""
    before: str = ""
    """What the appliance's parameter said when it began."""
    weights: tuple[int, ...] = (100,)
    """Of a hundred requests so many go to the new place, one after the other; the last is 100."""
    pause_s: float = 60.0
    """So long its errors are looked at after each of them."""
    in_place: bool = False
    """The GPU has no memory for both: the old one ends first, and the reception takes requests meanwhile."""
    by: str = ""
    asked_at: float = 0.0
    machine_asked_at: float = 0.0
    instance: str = ""
    """The machine that the new place is on, once it was told anything."""
    begun: tuple[str, ...] = ()
    """The steps that were begun, written before they are done: one of them may have been half done."""
    command: str = ""
    """Run Command's id of what the machine was told, while that is in hand."""
    commanded: str = ""
    """The step that told it."""
    emptied: bool = False
    """The clients are led to the reception, to make room."""
    old_ended: bool = False
    new_runs_since: float = 0.0
    smoked: bool = False
    weight: int = 0
    shifted_at: float = 0.0
    recorded: bool = False
    fault: str = ""
    """Why it is undone."""
    undone: tuple[str, ...] = ()
    """The steps of that which are done."""
    old_runs_since: float = 0.0
    ended_at: float = 0.0

    @property
    def old(self) -> str:
        return other(self.place)


@dataclass(frozen=True)
class Command:
    """What became of what the machine was told."""

    state: str = "none"
    """none, running, done or failed."""
    said: str = ""


@dataclass(frozen=True)
class Seen:
    """What is seen of the appliance now."""

    instance: str = ""
    """The machine that runs and takes commands; empty while there is none."""
    start: str = ""
    """What the start function says while there is none."""
    command: Command = field(default_factory=Command)
    new_healthy: bool = False
    old_healthy: bool = False
    error_rate: float | None = None
    """Of what the new place answered since the last weight; None: nobody asked it, or nothing is known."""


@dataclass(frozen=True)
class Limits:
    machine_s: float = 1800.0
    """So long may the machine take to run: longer, and there is no capacity."""
    ready_s: float = 900.0
    """So long may a place take until its targets are healthy, its models loaded."""
    most_errors: float = 0.05
    """The rate of errors that the new place may have while it is led clients to."""


DEFAULTS = Limits()
Told = tuple[Step, str]


def settled(release: Release, command: Command, now: float) -> Release:
    """With what the machine has done of what it was told; a failure is `next_step`'s, until it is undone."""
    if not release.command or command.state not in ("done", "failed"):
        return release
    if command.state == "failed" and not release.fault:
        return release
    release = replace(release, command="")
    match release.commanded:
        case Step.END_OLD:
            return replace(release, old_ended=True)
        case Step.RUN_NEW:
            return replace(release, new_runs_since=now)
        case Step.RUN_OLD:
            return replace(release, old_runs_since=now)
    return replace(release, undone=(*release.undone, release.commanded))


def next_step(release: Release, seen: Seen, now: float, limits: Limits = DEFAULTS) -> Told:
    """The step, and why. Of the first case that holds:

     1. it has ended: FINISH
     2. something went wrong: it is undone, by `_undo`
     3. no machine runs, or another than it began on: START_MACHINE once, then WAIT, and FAIL after machine_s;
        but where the new place was on the one that has gone, FAIL, or FINISH if it was recorded
     4. what the machine was told is in hand: WAIT; it failed: FAIL, or FINISH if only the old one was to end
     5. in place: TO_RECEPTION, then END_OLD
     6. the new place does not run yet: RUN_NEW
     7. it is recorded: END_OLD, where the old one runs, and FINISH
     8. its targets are not healthy: WAIT, and FAIL after ready_s, or at once where it has clients
     9. it has not spoken: SMOKE
    10. it has clients, and more errors than it may: FAIL; the pause is not over: WAIT, if the old one shares
    11. it has not all clients: SHIFT
    12. RECORD
    """
    if release.ended_at:  # 1
        return Step.FINISH, "it has ended"
    if release.fault:  # 2
        return _undo(release, seen, now, limits)
    if not seen.instance or release.instance not in ("", seen.instance):  # 3
        return _no_machine(release, seen, now, limits)
    if release.command:  # 4
        return _commanded(release, seen.command)
    if release.in_place and not release.emptied:  # 5
        return Step.TO_RECEPTION, "the GPU has no memory for two: the reception takes requests meanwhile"
    if release.in_place and release.old_image and not release.old_ended:  # 5
        return Step.END_OLD, f"{release.old} makes room"
    if not release.new_runs_since:  # 6
        return Step.RUN_NEW, f"{release.place} runs {release.image}"
    if release.recorded:  # 7
        if release.old_image and not release.old_ended:
            return Step.END_OLD, f"{release.old} ends once its queue is empty"
        return Step.FINISH, f"{release.place} serves {release.image}"
    if not seen.new_healthy:  # 8
        return _unhealthy(release, now, limits)
    if not release.smoked:  # 9
        return Step.SMOKE, f"{release.place} is healthy"
    if release.weight and (told := _clients(release, seen, now, limits)):  # 10
        return told
    if release.weight < 100:  # 11
        return Step.SHIFT, f"{next_weight(release, seen)} of 100 requests go to {release.place}"
    return Step.RECORD, f"machines start with {release.place} from now on"  # 12


def next_weight(release: Release, seen: Seen) -> int:
    """All at once where there is nobody to share with."""
    if not seen.old_healthy:
        return 100
    return next(weight for weight in release.weights if weight > release.weight)


def _no_machine(release: Release, seen: Seen, now: float, limits: Limits) -> Told:
    if release.recorded:
        return Step.FINISH, f"{release.place} is what the next machine starts with"
    if release.instance:
        return Step.FAIL, f"the machine {release.instance} has gone, and what ran on it"
    if not release.machine_asked_at:
        return Step.START_MACHINE, "no machine runs"
    if now - release.machine_asked_at > limits.machine_s:
        return Step.FAIL, f"no machine runs after {limits.machine_s:.0f} s: {seen.start}"
    return Step.WAIT, f"the machine is waited for: {seen.start}"


def _commanded(release: Release, command: Command) -> Told:
    if command.state != "failed":
        return Step.WAIT, f"the machine is told to {release.commanded}"
    if release.recorded:
        return Step.FINISH, f"{release.place} serves; {release.old} could not be ended: {command.said}"
    return Step.FAIL, f"the machine could not {release.commanded}: {command.said}"


def _unhealthy(release: Release, now: float, limits: Limits) -> Told:
    if release.weight:
        return Step.FAIL, f"{release.place} has clients, and is not healthy any more"
    if now - release.new_runs_since > limits.ready_s:
        return Step.FAIL, f"{release.place} is not ready after {limits.ready_s:.0f} s"
    return Step.WAIT, f"{release.place} loads its models"


def _clients(release: Release, seen: Seen, now: float, limits: Limits) -> Told | None:
    if seen.error_rate is not None and seen.error_rate > limits.most_errors:
        rates = f"{seen.error_rate:.0%} of its answers are errors, {limits.most_errors:.0%} may be"
        return Step.FAIL, f"{release.place} at {release.weight} of 100: {rates}"
    alone = release.weight < 100 and not seen.old_healthy
    if now - release.shifted_at < release.pause_s and not alone:
        return Step.WAIT, f"{release.place} has {release.weight} of 100 requests"
    return None


def _undo(release: Release, seen: Seen, now: float, limits: Limits) -> Told:
    """The old one serves again; where its machine has gone, the next one starts with it.

    Of the first case that holds:

    1. what the machine was told is in hand: WAIT
    2. clients may be led to the new place: LEAD_BACK, or TO_RECEPTION where the old one has to start first
    3. the new place may run: END_NEW
    4. the old place may have ended: RUN_OLD, and WAIT until it is healthy
    5. clients were led to the reception: LEAD_BACK, where the old one is healthy
    6. FINISH
    """
    here = bool(seen.instance) and release.instance in ("", seen.instance)
    made_room = Step.TO_RECEPTION in release.begun
    if here and release.command and seen.command.state != "failed":  # 1
        return Step.WAIT, f"the machine is told to {release.commanded}"
    if Step.SHIFT in release.begun and not {Step.LEAD_BACK, Step.TO_RECEPTION} & {*release.undone}:  # 2
        if made_room:
            return Step.TO_RECEPTION, f"{release.old} has to start first"
        return Step.LEAD_BACK, f"{release.old} has run all the while"
    if here and Step.RUN_NEW in release.begun and Step.END_NEW not in release.undone:  # 3
        return Step.END_NEW, f"{release.place} is of no use"
    if here and Step.END_OLD in release.begun and not release.old_runs_since:  # 4
        return Step.RUN_OLD, f"{release.old} serves again"
    if here and release.old_runs_since and not seen.old_healthy:  # 4
        if now - release.old_runs_since <= limits.ready_s:
            return Step.WAIT, f"{release.old} loads its models"
        return (
            Step.FINISH,
            f"{release.fault}; {release.old} is not ready either, and the reception takes requests",
        )
    if here and made_room and seen.old_healthy and Step.LEAD_BACK not in release.undone:  # 5
        return Step.LEAD_BACK, f"{release.old} is healthy"
    return Step.FINISH, release.fault  # 6
