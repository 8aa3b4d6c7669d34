"""The decision how the machine is, from what the upstreams answered: a state, and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from servers.proxy.answers import Answers, Fault, Health, Queue


class State(StrEnum):
    READY = "ready"
    BUSY = "busy"
    LOADING = "loading"
    STARTING = "starting"
    STOPPING = "stopping"
    OFF = "off"
    FAILED = "failed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


IS_OFF = "The machine is off: start it, and go on when it is there."
IS_STOPPING = "The machine is stopping: it can be started again in a minute."
IS_REFUSED = (
    "The servers do not take the key of this page: who runs it has to set TTS_API_KEY, or api_key in "
    "server_config.json, to one that they know."
)
IS_SILENT = "The servers do not answer: they have to be started, or somebody has to look at them."
IS_SILENT_ON = (
    "The machine runs, but its servers do not answer: they may be starting, or somebody has to look at them."
)
IS_GARBLED = (
    "What answers is no server of Skylark's: who runs this page has to look at server_url in "
    "server_config.json, and at what stands in front of the servers."
)
IS_DEGRADED = "The servers answer, but not the engine behind them: it is starting, or its log says why."
IS_LOADING = "A model is being loaded: the first words take a little longer."
AWAY = {
    "tts": "The server that speaks does not answer.",
    "whisperx": "The server that listens does not answer.",
}
BY_MACHINE = {
    "off": State.OFF,
    "starting": State.STARTING,
    "stopping": State.STOPPING,
    "failed": State.FAILED,
}


@dataclass(frozen=True)
class Snapshot:
    """How the machine is. `since` is when it was first seen in that state, in seconds since 1970."""

    state: State
    message: str
    since: float
    machine: Mapping[str, Any] | None
    tts: Mapping[str, Any] | None
    whisperx: Mapping[str, Any] | None

    def shown(self) -> dict[str, Any]:
        return vars(self) | {"state": self.state.value}


def decide(answers: Answers, before: Snapshot | None, now: float) -> Snapshot:
    state, message = _decided(answers)
    machine = answers.machine if isinstance(answers.machine, Mapping) else None
    found = Snapshot(state, message, now, machine, _shown(answers.tts), _shown(answers.whisperx))
    return replace(found, since=before.since) if before is not None and before.state is state else found


def _decided(answers: Answers) -> tuple[State, str]:
    """How it is:

    1. somebody does not take the key: nothing can be asked of them;
    2. the machine says that it does not serve: it is as it says;
    3. no door answers: who answers in their place says that it is off, or something else does, or nobody;
    4. the doors answer, and their engine does not;
    5. a model is being loaded;
    6. there is work;
    7. nothing is in the way.
    """
    if answers.is_refused:  # 1
        return State.REFUSED, IS_REFUSED
    if (by_machine := _by_machine(answers.machine)) is not None:  # 2
        return by_machine
    served = [door for door in answers.doors if isinstance(door, Health)]
    if not served:  # 3
        return _unanswered(answers)
    if not any(door.ok for door in served):  # 4
        return State.UNREACHABLE, IS_DEGRADED
    if isinstance(answers.queue, Queue) and answers.queue.is_loading:  # 5
        return State.LOADING, _partly(answers, IS_LOADING)
    running, waiting = _work(answers)
    if running or waiting:  # 6
        return State.BUSY, _partly(answers, _busy(running, waiting))
    return State.READY, _partly(answers, "Ready.")  # 7


def _by_machine(machine: Mapping[str, Any] | Fault | None) -> tuple[State, str] | None:
    """None of one that serves, or of which nothing is known."""
    if not isinstance(machine, Mapping) or (state := BY_MACHINE.get(str(machine.get("state")))) is None:
        return None
    if state is State.STARTING:
        return state, f"The machine is starting{_left(machine.get('left_s'))}."
    if state is State.FAILED:
        fault = machine.get("fault")
        why = fault.get("message") if isinstance(fault, Mapping) else None
        return state, f"The machine did not start: {why or 'nobody said why'}"
    return state, IS_OFF if state is State.OFF else IS_STOPPING


def _left(left_s: object) -> str:
    if not isinstance(left_s, int | float):
        return ""
    minutes = max(1, round(left_s / 60))
    return f": it is usually ready in {minutes} minute{'s' * (minutes > 1)}"


def _unanswered(answers: Answers) -> tuple[State, str]:
    if Fault.OFF in answers.doors:
        return State.OFF, IS_OFF
    if Fault.GARBLED in answers.doors:
        return State.UNREACHABLE, IS_GARBLED
    return State.UNREACHABLE, IS_SILENT_ON if isinstance(answers.machine, Mapping) else IS_SILENT


def _work(answers: Answers) -> tuple[int, int]:
    """How many jobs run, and how many wait; of the running ones only the engine's API tells."""
    if isinstance(answers.queue, Queue):
        return answers.queue.running, answers.queue.waiting
    return 0, max((door.queue_depth or 0 for door in answers.doors if isinstance(door, Health)), default=0)


def _busy(running: int, waiting: int) -> str:
    at_work = f"{running} job{'s run' if running != 1 else ' runs'}" if running else ""
    queued = f"{waiting} wait{'s' if waiting == 1 else ''}" if waiting else ""
    return f"Busy: {' and '.join(filter(None, (at_work, queued)))}."


def _partly(answers: Answers, message: str) -> str:
    """With which of the doors cannot be used."""
    doors = {"tts": answers.tts, "whisperx": answers.whisperx}
    away = [AWAY[name] for name, door in doors.items() if not (isinstance(door, Health) and door.ok)]
    return " ".join((message, *away))


def _shown(door: Health | Fault) -> Mapping[str, Any] | None:
    return door.shown() if isinstance(door, Health) else None
