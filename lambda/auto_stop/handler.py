"""The function itself: it looks, decides, looks again, stops, and says in one line of JSON what and why."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from appliance import environment
from appliance.appliance import Appliance
from appliance.clients import clients
from appliance.environment import Environment
from appliance.faults import LATER, Failed, Unreadable, advice, code
from appliance.holds import latest
from appliance.machine import Instance
from auto_stop.decision import Action, Decision
from auto_stop.looking import look
from auto_stop.stopping import held, stop

BY = "auto-stop"
ENOUGH_MS = 16_000
"""A stop is not begun with less of the function's time left: the next run does it."""
NOTICE_EVERY_S = 3600.0


@dataclass
class Noticed:
    """Which alarms were told, and when: a warm function tells each once an hour, a cold one tells again."""

    at: dict[str, float]

    def is_due(self, reason: str, now: float) -> bool:
        return now - self.at.get(reason, float("-inf")) >= NOTICE_EVERY_S


NOTICED = Noticed({})


def handler(_event: object, context: Any) -> dict[str, Any]:
    """What AWS calls."""

    left_ms = context.get_remaining_time_in_millis if context else lambda: float("inf")
    return run(environment.read(os.environ), clients(os.environ), time.time, left_ms, NOTICED)


def run(
    settings: Environment,
    client: Callable[[str], Any],
    clock: Callable[[], float],
    left_ms: Callable[[], float],
    noticed: Noticed,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """One look at the machine, and what came of it. Raises Failed with what a person has to do."""
    answer: dict[str, Any] = {"appliance": settings.appliance, "dry_run": settings.dry_run, "did": "nothing"}
    try:
        _look_and_act(Appliance(settings, client), clock, left_ms, noticed, sleep, answer)
    except (ClientError, BotoCoreError, Unreadable) as fault:
        _fail(fault, answer)
    finally:
        print(json.dumps(answer), flush=True)
    return answer


def _look_and_act(
    appliance: Appliance,
    clock: Callable[[], float],
    left_ms: Callable[[], float],
    noticed: Noticed,
    sleep: Callable[[float], object],
    answer: dict[str, Any],
) -> None:
    limits = appliance.settings.limits
    seen = look(appliance, clock())
    decision = seen.decide(clock(), limits)
    if decision.stops:
        # Work, holds and starts that came meanwhile: nothing is between this look and the stop.
        seen = look(appliance, clock())
        again = seen.decide(clock(), limits)
        why = again.why if again.stops else f"at the second look: {again.why}"
        decision = replace(again, why=why)
    answer |= _told(decision, seen.instance)
    if appliance.settings.dry_run:
        return
    if decision.stops and left_ms() >= ENOUGH_MS:
        stopped = stop(appliance, seen, BY, decision.why, clock, lambda: held(appliance, clock()), sleep)
        answer |= {"did": decision.action} if stopped.did else {"did": "nothing", "but": stopped.why}
        if stopped.did:
            _tell_of_a_late_hold(appliance, clock(), answer)
    elif decision.action == Action.ALARM and noticed.is_due(decision.reason, clock()):
        appliance.notify(decision.reason, decision.why)
        noticed.at[decision.reason] = clock()
        answer["did"] = "notice"


def _told(decision: Decision, instance: Instance) -> dict[str, Any]:
    told = {"action": decision.action, "reason": decision.reason, "why": decision.why}
    idle_s = None if decision.idle_s is None else round(decision.idle_s)
    return told | {"idle_s": idle_s, "instance": instance.id, "state": instance.state}


def _tell_of_a_late_hold(appliance: Appliance, now: float, answer: dict[str, Any]) -> None:
    """A hold that was written while the stop was on its way: whoever wrote it has to know."""
    hold = latest(appliance.holds.all(), now)
    answer["held_too_late"] = bool(hold and not hold.fault and hold.until > now)
    if hold and answer["held_too_late"]:
        why = (
            f"{hold.by} held it at the moment at which it was stopped: start it again, if start-gpu does not"
        )
        appliance.notify("held_too_late", why)


def _fail(fault: Exception, answer: dict[str, Any]) -> None:
    """Too many requests pass by themselves, and the next run tries again; the rest needs a person."""
    answer["fault"] = f"{code(fault)}: {fault}"
    answer.setdefault("action", Action.KEEP)
    answer.setdefault("reason", "unreadable")
    answer.setdefault("why", "AWS did not say how the machine is: that is no reason to stop it")
    if code(fault) not in LATER:
        raise Failed(f"{advice(fault)} ({fault})") from fault
