"""The function itself: it looks, decides, looks again, stops, and says in one line of JSON what and why."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from auto_stop import environment, holds
from auto_stop.decision import Action, Decision, Instance, decide
from auto_stop.environment import Environment
from auto_stop.machine import Machine, Unreadable

PATIENCE = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
ENOUGH_MS = 10_000
"""A stop is not begun with less of the function's time left: the next run does it."""
NOTICE_EVERY_S = 3600.0
LATER = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled", "SlowDown")
EXPIRED = (
    "its credentials expired: the function's role gives new ones, and whoever runs it by hand logs in again"
)
REFUSED = "its role may not do this: see the permissions in docs/cloud.md"
ADVICE = {
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "RequestExpired": EXPIRED,
    "AccessDenied": REFUSED,
    "AccessDeniedException": REFUSED,
    "UnauthorizedOperation": REFUSED,
    "OperationNotPermitted": "it is protected from being stopped: take that away, or stop it yourself",
    "UnsupportedOperation": "this instance cannot be stopped: terminate it yourself",
}


class Failed(Exception):
    """The function could not look or stop; Lambda counts it as an error, and its alarm tells a person."""


@dataclass
class Noticed:
    """Which alarms were told, and when: a warm function tells each once an hour, a cold one tells again."""

    at: dict[str, float]

    def is_due(self, reason: str, now: float) -> bool:
        return now - self.at.get(reason, float("-inf")) >= NOTICE_EVERY_S


NOTICED = Noticed({})


def handler(_event: object, context: Any) -> dict[str, Any]:
    """What AWS calls."""

    def client(service: str) -> Any:
        return boto3.client(service, config=PATIENCE)

    left_ms = context.get_remaining_time_in_millis if context else lambda: float("inf")
    return run(environment.read(os.environ), client, time.time, left_ms, NOTICED)


def run(
    settings: Environment,
    client: Callable[[str], Any],
    clock: Callable[[], float],
    left_ms: Callable[[], float],
    noticed: Noticed,
) -> dict[str, Any]:
    """One look at the machine, and what came of it. Raises Failed with what a person has to do."""
    answer: dict[str, Any] = {"appliance": settings.appliance, "dry_run": settings.dry_run, "did": "nothing"}
    try:
        _look_and_act(settings, client, clock, left_ms, noticed, answer)
    except (ClientError, BotoCoreError, Unreadable) as fault:
        _fail(fault, answer)
    finally:
        print(json.dumps(answer), flush=True)
    return answer


def _look_and_act(
    settings: Environment,
    client: Callable[[str], Any],
    clock: Callable[[], float],
    left_ms: Callable[[], float],
    noticed: Noticed,
    answer: dict[str, Any],
) -> None:
    machine = Machine(settings, client)
    decision, instance = look(machine, settings, clock())
    if decision.stops:
        # Work and holds that came meanwhile: nothing is between this look and the stop.
        again, instance = look(machine, settings, clock())
        seen = again.why if again.stops else f"at the second look: {again.why}"
        decision = replace(again, why=seen)
    answer |= _told(decision, instance)
    if settings.dry_run:
        return
    if decision.stops:
        answer["did"] = _stop(machine, decision, instance, left_ms)
        if answer["did"] != "nothing":
            _tell_of_a_late_hold(machine, settings, client, clock(), answer)
    elif decision.action == Action.ALARM and noticed.is_due(decision.reason, clock()):
        _publish(client("sns"), settings, decision.reason, decision.why)
        noticed.at[decision.reason] = clock()
        answer["did"] = "notice"


def look(machine: Machine, settings: Environment, now: float) -> tuple[Decision, Instance]:
    """Holds are read last: a start writes its hold before it does anything else."""
    instance = machine.instance()
    metrics = machine.metrics(now)
    hold = holds.latest(machine.holds(), now)
    return decide(metrics, instance, hold, now, settings.limits), instance


def _told(decision: Decision, instance: Instance) -> dict[str, Any]:
    told = {"action": decision.action, "reason": decision.reason, "why": decision.why}
    idle_s = None if decision.idle_s is None else round(decision.idle_s)
    return told | {"idle_s": idle_s, "instance": instance.id, "state": instance.state}


def _stop(machine: Machine, decision: Decision, instance: Instance, left_ms: Callable[[], float]) -> str:
    if left_ms() < ENOUGH_MS:
        return "nothing"
    try:
        machine.act(decision.action, instance)
    except ClientError as fault:
        # Another run was faster, or a person was: what was wanted is done.
        if _code(fault) in ("IncorrectInstanceState", "IncorrectState", "InvalidInstanceID.NotFound"):
            return "nothing"
        raise
    return decision.action


def _tell_of_a_late_hold(
    machine: Machine, settings: Environment, client: Callable[[str], Any], now: float, answer: dict[str, Any]
) -> None:
    """A hold that was written while the stop was on its way: whoever wrote it has to know."""
    hold = holds.latest(machine.holds(), now)
    answer["held_too_late"] = bool(hold and not hold.fault and hold.until > now)
    if hold and answer["held_too_late"]:
        why = (
            f"{hold.by} held it at the moment at which it was stopped: start it again, if start-gpu does not"
        )
        _publish(client("sns"), settings, "held_too_late", why)


def _publish(sns: Any, settings: Environment, reason: str, why: str) -> None:
    subject = f"Skylark {settings.appliance}: {reason}".encode("ascii", "replace").decode()
    message = {"appliance": settings.appliance, "reason": reason, "why": why}
    sns.publish(TopicArn=settings.topic_arn, Subject=subject[:100], Message=json.dumps(message, indent=2))


def _fail(fault: Exception, answer: dict[str, Any]) -> None:
    """Too many requests pass by themselves, and the next run tries again; the rest needs a person."""
    code = _code(fault)
    answer["fault"] = f"{code}: {fault}"
    answer.setdefault("action", Action.KEEP)
    answer.setdefault("reason", "unreadable")
    answer.setdefault("why", "AWS did not say how the machine is: that is no reason to stop it")
    if code not in LATER:
        raise Failed(f"{ADVICE.get(code, 'it is tried again by the next run')} ({fault})") from fault


def _code(fault: Exception) -> str:
    if isinstance(fault, ClientError):
        return str(fault.response["Error"]["Code"])
    return type(fault).__name__
