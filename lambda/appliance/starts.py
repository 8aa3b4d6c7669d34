"""The start in hand, or the last one: one item of the table; whoever writes it has read it before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from appliance.table import ABSENT, BOOT, CURRENT, START, Changed, Table

SKEW_S = 60.0
"""So much may two clocks differ before what one says is from the other's future."""
STAGES = ("capacity", "boot", "image", "model", "audio")
"""Until EC2 has a machine, it has booted, its image is there, the model is loaded, it has spoken."""
TRIES = 5
"""So often is a write repeated that others were faster than."""


class State(StrEnum):
    OFF = "off"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True)
class Fault:
    """What stands in a start's way, or ended it: a code, and what a person has to know or do."""

    code: str
    message: str


@dataclass(frozen=True)
class Start:
    state: State = State.OFF
    asked_at: float = 0.0
    asked_by: str = ""
    why: str = ""
    wished_at: float = 0.0  # when somebody asked last, who joined
    deadline_at: float = 0.0  # it is given up then
    capacity_at: float | None = None  # the ends of its stages
    boot_at: float | None = None
    image_at: float | None = None
    model_at: float | None = None
    audio_at: float | None = None
    healthy_at: float | None = None  # since then every service answers
    ready_at: float | None = None
    instance: str = ""  # the machine that it got
    launched_at: float = 0.0
    type: str = ""
    zone: str = ""
    spot: bool = False
    attempts: int = 0  # that were refused
    next_attempt_at: float = 0.0
    refused_types: tuple[str, ...] = ()  # in this round of attempts
    unfit_types: tuple[str, ...] = ()  # that this region or this account does not have
    fault: Fault | None = None
    failed_at: float = 0.0
    stopping_at: float = 0.0
    stopping_from: str = ""  # the state that it had before
    stopped_at: float = 0.0
    stopped_by: str = ""
    stopped_why: str = ""
    notice: str = ""  # a word of what a person is to be told
    notice_why: str = ""
    told: str = ""  # the word that was told last
    told_at: float = 0.0
    entries: tuple[Mapping[str, Any], ...] = ()  # that are to be written into the ledger
    claimed_at: float = 0.0  # by the function that tells and writes these
    version: int = 0

    @property
    def in_hand(self) -> bool:
        return self.state == State.STARTING

    def ended_at(self, stage: str) -> float | None:
        found: float | None = getattr(self, f"{stage}_at")
        return found


@dataclass(frozen=True)
class Boot:
    """What the machine says of its own start. None is not yet, or of a former one."""

    boot_at: float | None = None
    image_at: float | None = None
    model_at: float | None = None
    audio_at: float | None = None
    fault: str = ""


NO_BOOT = Boot()


class Starts:
    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self) -> Start:
        item = self._table.get(START, CURRENT)
        return _start(item) if item else Start()

    def write(self, start: Start) -> Start:
        """With the version that it was read with. Raises Changed where another was faster."""
        item = {name: value for name, value in asdict(start).items() if value not in (None, "", ())}
        item |= {"kind": START, "id": CURRENT, "version": start.version + 1}
        self._table.put(item, {"version": start.version} if start.version else ABSENT)
        return replace(start, version=start.version + 1)

    def boot(self, instance: str, launched_at: float, now: float) -> Boot:
        """Only what is of this start, and not from the future."""
        item = self._table.get(BOOT, instance) if instance else None
        if not item:
            return NO_BOOT

        def moment(name: str) -> float | None:
            at = item.get(name)
            return float(at) if isinstance(at, (int, float)) and launched_at <= at <= now + SKEW_S else None

        said = {name: moment(name) for name in ("boot_at", "image_at", "model_at", "audio_at")}
        # A fault has no time of its own: without any of this start it may be a former one's.
        of_now = any(at is not None for at in said.values())
        return Boot(**said, fault=str(item.get("fault") or "") if of_now else "")


def change(starts: Starts, changed: Callable[[Start], Start]) -> Start:
    """Reads, changes and writes, again where another was faster: `changed` is pure, of the start."""
    for _ in range(TRIES):
        before = starts.read()
        after = changed(before)
        if after == before:
            return before
        try:
            return starts.write(after)
        except Changed:
            continue
    raise Changed(f"the start was changed {TRIES} times while it was to be written")


def _start(item: Mapping[str, Any]) -> Start:
    known = {field.name for field in fields(Start)}
    given = {name: value for name, value in item.items() if name in known}
    given["state"] = State(given.get("state", State.OFF))
    if fault := given.get("fault"):
        given["fault"] = Fault(fault["code"], fault["message"])
    for name in ("refused_types", "unfit_types", "entries"):
        given[name] = tuple(given.get(name, ()))
    return Start(**given)
