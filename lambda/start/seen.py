"""What a start is decided by, and what is done for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from appliance.machine import Instance, Refusal
from appliance.routes import Lead
from appliance.starts import NO_BOOT, Boot, Start, State

SETTLE_S = 60.0
"""So long EC2 may still say what was before."""
STOPS_WITHIN_S = 300.0
SPEAKS_WITHIN_S = 120.0
"""A machine whose services all answer for so long serves, though it did not say that it has spoken."""


class Do(StrEnum):
    NOTHING = "nothing"
    START = "start"
    CHANGE_TYPE = "change_type"
    EMPTY = "empty"  # the group that tries on is to have no machine
    ROUTE = "route"
    TELL = "tell"  # a person, and the ledger


@dataclass(frozen=True)
class Action:
    do: Do = Do.NOTHING
    type: str = ""  # to change to
    services: frozenset[str] = frozenset()  # that lead to the machine, and all others to reception


NOTHING = Action()
Step = tuple[Start, Action, str]


@dataclass(frozen=True)
class Seen:
    """What AWS, the machine and the table say."""

    instance: Instance
    boot: Boot = NO_BOOT
    leads: Mapping[str, Lead] = field(default_factory=dict)  # of each service
    healthy: Mapping[str, bool] = field(default_factory=dict)
    refusals: Sequence[Refusal] = ()  # of a group, the newest first
    waiting: int = 0  # pieces of accepted work
    types: Sequence[str] = ()  # that the instance may be changed to
    rules_held: bool = False  # by a release that is in hand

    @property
    def is_gone(self) -> bool:
        """Nobody but a person can make another."""
        return not self.instance.state and self.instance.group is None

    @property
    def is_wanted(self) -> bool:
        """Its group sees to it that there is one."""
        return self.instance.group is not None and self.instance.group.desired > 0

    @property
    def all_healthy(self) -> bool:
        return all(self.healthy.get(service, False) for service in self.leads)


def runs(start: Start, seen: Seen, now: float) -> bool:
    """Whether there is a machine that stays: one that was just told to stop may still be seen running."""
    instance = seen.instance
    leaves = instance.launched_at < start.stopping_at and now - start.stopping_at < STOPS_WITHIN_S
    return instance.runs and not leaves


def has_spoken(start: Start, now: float) -> bool:
    waited = start.healthy_at is not None and now - start.healthy_at >= SPEAKS_WITHIN_S
    return start.audio_at is not None or waited


def served(start: Start, seen: Seen, now: float) -> frozenset[str]:
    """The services whose rules are to lead to the machine: those that answer, once it has spoken."""
    if start.state in (State.OFF, State.STOPPING) or not runs(start, seen, now):
        return frozenset()
    if start.in_hand and not has_spoken(start, now):
        return frozenset()
    return frozenset(service for service in seen.leads if seen.healthy.get(service, False))


def is_told_gone(start: Start) -> bool:
    return start.state == State.FAILED and start.fault is not None and start.fault.code == "terminated"
