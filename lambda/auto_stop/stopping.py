"""The stop itself: said in the table, the rules led away, the machine stopped, and written into the ledger.

It may end after each of these: the next call of lambda/start goes on, or makes it good.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from appliance.appliance import Appliance
from appliance.changes import claimed, ended, not_stopped, stopping
from appliance.faults import code
from appliance.holds import latest
from appliance.starts import Start, State, change
from appliance.table import Changed
from appliance.telling import tell
from auto_stop.decision import SETTLE_S
from auto_stop.looking import Look

FASTER = ("IncorrectInstanceState", "IncorrectState", "InvalidInstanceID.NotFound")
"""Another was faster, or a person was: what was wanted is done."""


@dataclass(frozen=True)
class Stopped:
    did: bool
    why: str = ""  # it did not


def stop(
    appliance: Appliance,
    seen: Look,
    by: str,
    why: str,
    clock: Callable[[], float],
    objection: Callable[[], str],
    sleep: Callable[[float], object] = time.sleep,
) -> Stopped:
    """Stops what was seen, or empties its group. `objection` is asked last of all, when no request comes any
    more, and says why not. Where it does, or AWS refuses, all is as it was; AWS's fault is raised.
    """
    try:
        begun = appliance.starts.write(stopping(seen.start, seen.instance, by, why, clock()))
    except Changed:
        return Stopped(False, "at the same moment a start was asked for, or went on")
    try:
        appliance.routes.to_reception()
        sleep(SETTLE_S)
        if objected := objection():
            _put_back(appliance, begun, clock)
            return Stopped(False, objected)
        appliance.machine.stop(seen.instance)
    except (ClientError, BotoCoreError) as fault:
        _put_back(appliance, begun, clock)
        if code(fault) in FASTER:
            return Stopped(False, f"another was faster: {code(fault)}")
        raise
    _write(appliance, begun, clock)
    return Stopped(True)


def held(appliance: Appliance, now: float, but_by: str = "") -> str:
    """Who holds the machine, other than `but_by`; "" is nobody."""
    hold = latest([hold for hold in appliance.holds.all() if hold.by != but_by or hold.fault], now)
    if hold is None or (not hold.fault and hold.until <= now):
        return ""
    return hold.fault or f"{hold.by} holds it for another {hold.until - now:.0f} s"


def _put_back(appliance: Appliance, begun: Start, clock: Callable[[], float]) -> None:
    """A machine that was ready is led to at once, as far as it answers; any other by the next tick."""
    change(appliance.starts, lambda start: not_stopped(start, clock()))
    if begun.ready_at is not None:
        live = appliance.live()
        healthy = appliance.routes.healthy(live)
        appliance.routes.to_machine(live, {service for service, answers in healthy.items() if answers})


def _write(appliance: Appliance, begun: Start, clock: Callable[[], float]) -> None:
    """What another has written of it meanwhile is not written twice."""
    now = clock()
    work_s = appliance.work_s(begun.launched_at, now)
    audio_s = appliance.audio_s(begun.launched_at, now)

    def over(start: Start) -> Start:
        if start.state != State.STOPPING or start.stopping_at != begun.stopping_at:
            return start
        stopped = ended(start, start.stopped_by, start.stopped_why, now, work_s=work_s, audio_s=audio_s)
        return claimed(stopped, now) or stopped

    after = change(appliance.starts, over)
    if after.claimed_at and after.state == State.OFF:
        tell(appliance, after, now)
