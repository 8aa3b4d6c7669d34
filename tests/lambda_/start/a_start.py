"""A start as it goes, minute by minute, and what is seen meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appliance.changes import begun
from appliance.machine import Group, Instance, Refusal
from appliance.routes import Lead
from appliance.starts import NO_BOOT, Boot, Start, State
from start.decision import advance
from start.seen import Action, Do, Seen

NOW = 1_900_000_000.0
SERVICES = ("tts", "whisperx", "jobs")
AWAY = dict.fromkeys(SERVICES, Lead.RECEPTION)
LED = dict.fromkeys(SERVICES, Lead.MACHINE)
WELL = dict.fromkeys(SERVICES, True)
ILL = dict.fromkeys(SERVICES, False)
OFF = Instance("i-0a", "stopped", NOW - 90_000, type="g5.xlarge", zone="eu-central-1a")
UP = replace(OFF, state="running", launched_at=NOW - 300)
STOPPING = replace(OFF, state="stopping", reason="Client.UserInitiatedShutdown")
GONE = Instance("i-0a")
EMPTY = Instance(group=Group("skylark", desired=0))
FILLING = Instance(group=Group("skylark", desired=1))
MEMBER = replace(UP, group=Group("skylark", desired=1))
SPOKEN = Boot(NOW - 250, NOW - 200, NOW - 100, NOW - 50)
TYPES = ("g5.xlarge", "g6.xlarge", "g4dn.xlarge")
NO_CAPACITY = "InsufficientInstanceCapacity"


def told(start: Start) -> Start:
    """As it is once all that it had to tell is told."""
    return replace(start, entries=(), notice="", notice_why="", claimed_at=0.0)


ASKED = told(begun(Start(version=1), "maria", "a demonstration", NOW - 330))
GOT = replace(ASKED, capacity_at=NOW - 300, instance="i-0a", launched_at=NOW - 300, type="g5.xlarge")
GOT = replace(GOT, zone="eu-central-1a")
SPOKE = replace(
    GOT, boot_at=NOW - 250, image_at=NOW - 200, model_at=NOW - 100, audio_at=NOW - 50, healthy_at=NOW - 40
)
READY = replace(SPOKE, state=State.READY, ready_at=NOW - 30)
STOPPED = Start(State.OFF, stopped_at=NOW - 3600, stopping_at=NOW - 3600, version=3)
IN_STOP = replace(
    READY, state=State.STOPPING, stopping_at=NOW - 10, stopping_from="ready", stopped_by="auto-stop"
)
FAILED = replace(ASKED, state=State.FAILED, failed_at=NOW - 600)


def seen(
    instance: Instance = OFF,
    boot: Boot = NO_BOOT,
    leads: dict[str, Lead] | None = None,
    healthy: dict[str, bool] | None = None,
    refusals: tuple[Refusal, ...] = (),
    waiting: int = 0,
    types: tuple[str, ...] = (),
) -> Seen:
    leads = AWAY if leads is None else leads
    return Seen(instance, boot, leads, healthy or {}, refusals, waiting, types)


SERVING = seen(UP, SPOKEN, LED, WELL)


def step(start: Start, what: Seen, now: float = NOW) -> tuple[Start, Action]:
    after, action, why = advance(start, what, now)
    assert why
    return after, action


def does(start: Start, what: Seen, now: float = NOW) -> str:
    return step(start, what, now)[1].do


def becomes(start: Start, what: Seen, now: float = NOW) -> Start:
    """After one step that only changes the start."""
    after, action = step(start, what, now)
    assert action.do == Do.NOTHING
    assert after != start
    return after


def rests(start: Start, what: Seen, now: float = NOW) -> bool:
    after, action = step(start, what, now)
    return after == start and action.do == Do.NOTHING


def events(start: Start) -> list[Any]:
    return [entry["event"] for entry in start.entries]
