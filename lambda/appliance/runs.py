"""The ledger's entries made into runs: from when to when the machine ran, and how that is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from appliance.entries import Entry, number, stages_of, text

NOTICE_S = 120.0
"""A spot instance is gone so long after the notice."""
BILLED = ("boot", "image", "model", "audio")
"""The stages of a start in which the machine costs; while it waits for capacity it does not."""
STOPPED, INTERRUPTION, GOES_ON, UNHEARD = "stopped", "interruption", "goes_on", "unheard"


@dataclass(frozen=True)
class Run:
    """`ended` is how its end is known: by its entry, by a spot notice, not yet, or not at all. In the last
    case it ran until `ended_at` at the least, and at the most `unknown_s` longer.
    """

    begun_at: float
    ended_at: float
    ended: str
    instance: str = ""
    type: str = ""
    zone: str = ""
    spot: bool = False
    by: str = ""
    why: str = ""
    purpose: str = ""
    stopped_by: str = ""
    stopped_why: str = ""
    reason: str = ""  # of the stop, in a word
    seconds: Mapping[str, float] = field(default_factory=dict)  # of each stage of its start
    audio_s: float | None = None
    work_s: float | None = None
    dollars: float | None = None  # as it was reckoned when it stopped
    disk_gb: float | None = None
    unknown_s: float = 0.0

    @property
    def ran_s(self) -> float:
        return self.ended_at - self.begun_at


def runs(entries: Iterable[Entry], now: float, running: bool | None = None) -> list[Run]:
    """Of sound entries, in the order of time; no two overlap, for an appliance has one machine.

    `running` says whether a machine runs now, where that is known.
    """
    reader = _Reader()
    for entry in entries:
        reader.read(entry)
    return reader.ended(now, running)


class _Reader:
    """What is known while the entries are read, one after the other."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._open: Run | None = None  # its ended_at is when it was heard last
        self._notice_at: float | None = None
        self._asked: Entry | None = None
        self._failed: Entry | None = None  # who asked for the start that failed: what it began may run

    def read(self, entry: Entry) -> None:
        """1. Somebody wants it to start. 2. It is ready. 3. The start failed. 4. It was stopped, or its spot
        instance is gone. 5. Its spot instance has a notice. 6. What only a machine that runs is told of. 7. A
        hold says nothing: there may be no machine yet.
        """
        match entry["event"]:
            case "start_asked":
                self._start_asked(entry)  # 1
            case "start_ready":
                self._ready(entry)  # 2
            case "start_failed":
                self._asked, self._failed = None, self._asked  # 3
            case "stopped":
                self._stopped(entry)  # 4
            case "interruption" if number(entry.get("ran_s")) is not None:
                self._stopped(entry)  # 4
            case "interruption":
                self._notice_at = entry["at"] if self._notice_at is None else self._notice_at  # 5
                self._heard(entry)
            case "stop_refused" | "released":
                self._heard(entry)  # 6
            case _:
                return  # 7

    def ended(self, now: float, running: bool | None) -> list[Run]:
        """The last run goes on: until now, unless it was taken away, or is known not to run."""
        if self._open is not None and (self._notice_at is not None or running is False):
            self._close_unheard(now)
        elif self._open is not None:
            last = replace(self._open, ended_at=max(now, self._open.begun_at), ended=GOES_ON)
            self._runs.append(last)
        return _apart(self._runs)

    def _start_asked(self, entry: Entry) -> None:
        """Nobody starts what runs: a run that is open then ended, and nobody wrote when."""
        if self._open is not None:
            self._close_unheard(entry["at"])
        self._asked, self._failed = self._asked or entry, None

    def _ready(self, entry: Entry) -> None:
        if self._open is not None and self._open.instance == text(entry, "instance") and not self._asked:
            self._heard(entry)  # it is said twice
            return
        begun_at = self._begun_at(entry)
        if self._open is not None:
            self._close_unheard(begun_at)
        self._open = Run(
            begun_at=max(begun_at, self._last_end()),
            ended_at=max(entry["at"], self._last_end()),
            ended=UNHEARD,
            **self._of_start(entry),
        )
        self._asked = self._failed = None

    def _begun_at(self, entry: Entry) -> float:
        """When the machine began to cost. The first of these that applies:

        1. EC2's own time of the launch is told. 2. Nobody asked: so long ago as the stages took. 3. No stages
        are told: when it was asked for. 4. After the wait for capacity, or so long ago as the other stages
        took, whichever is earlier: a machine that was found running had begun before.
        """
        at: float = entry["at"]
        launched_at, stages = number(entry.get("launched_at")), stages_of(entry)
        by_stages = at - sum(stages.get(stage, 0.0) for stage in BILLED)
        if launched_at is not None:
            return min(launched_at, at)  # 1
        if self._asked is None:
            return by_stages  # 2
        asked_at: float = self._asked["at"]
        if not stages:
            return asked_at  # 3
        return min(asked_at + stages.get("capacity", 0.0), by_stages)  # 4

    def _of_start(self, entry: Entry) -> dict[str, Any]:
        asked = self._asked or self._failed or {}
        why = text(asked, "why") or text(entry, "why")
        return _machine(entry) | {
            "by": text(asked, "by") or text(entry, "by"),
            "why": why,
            "purpose": text(entry, "purpose") or why,
            "seconds": stages_of(entry),
        }

    def _stopped(self, entry: Entry) -> None:
        """1. It ends the run that is open. 2. It tells of a run that nobody wrote of, or that was thought to
        be over. 3. It was said before. 4. It is of the machine before, and comes late.
        """
        ran_s = number(entry.get("ran_s"))
        run = self._open
        if run is not None and _differ(run.instance, text(entry, "instance")):
            self._stopped_late(run, entry)  # 4
            return
        if run is None:
            begun_at = entry["at"] - ran_s if ran_s is not None else None
            run = self._thought_over(entry, begun_at) or self._unwritten(entry, begun_at)  # 2
            if run is None:
                return  # 3
        begun_at = run.begun_at if ran_s is None else max(entry["at"] - ran_s, self._last_end())
        self._append(run, min(begun_at, entry["at"]), entry)  # 1
        self._asked = self._failed = self._notice_at = self._open = None

    def _thought_over(self, entry: Entry, begun_at: float | None) -> Run | None:
        """The run before, where nobody had heard of its end, and this is it."""
        last = self._runs[-1] if self._runs else None
        if last is None or last.ended != UNHEARD or last.instance != text(entry, "instance"):
            return None
        if begun_at is not None and begun_at >= last.ended_at:
            return None
        return self._runs.pop()

    def _unwritten(self, entry: Entry, begun_at: float | None) -> Run | None:
        if begun_at is None or begun_at < self._last_end():
            return None
        return Run(begun_at, entry["at"], UNHEARD, **self._of_start(entry))

    def _stopped_late(self, run: Run, entry: Entry) -> None:
        last = self._runs[-1] if self._runs else None
        if last is not None and last.ended == UNHEARD and not _differ(last.instance, text(entry, "instance")):
            self._runs.pop()
            self._append(last, last.begun_at, {**entry, "at": min(entry["at"], run.begun_at)})

    def _append(self, run: Run, begun_at: float, entry: Entry) -> None:
        machine = {name: value for name, value in _machine(entry).items() if value}
        purpose = text(entry, "purpose") or run.purpose
        self._runs.append(
            replace(
                run,
                begun_at=begun_at,
                ended_at=max(entry["at"], begun_at),
                ended=STOPPED if entry["event"] == "stopped" else INTERRUPTION,
                unknown_s=0.0,
                purpose=purpose,
                stopped_by=text(entry, "by"),
                stopped_why=text(entry, "why"),
                reason=text(entry, "reason"),
                audio_s=number(entry.get("audio_s")),
                work_s=number(entry.get("work_s")),
                dollars=number(entry.get("dollars")),
                **machine,
            )
        )

    def _close_unheard(self, at_the_latest: float) -> None:
        """By the notice, where there was one; else nobody knows: since it was heard last, or until then."""
        run = self._open
        assert run is not None
        until = max(at_the_latest, run.ended_at)
        if self._notice_at is not None:
            gone_at = max(min(self._notice_at + NOTICE_S, until), run.begun_at)
            self._runs.append(replace(run, ended_at=gone_at, ended=INTERRUPTION))
        else:
            self._runs.append(replace(run, unknown_s=until - run.ended_at))
        self._open = self._notice_at = None

    def _heard(self, entry: Entry) -> None:
        if self._open is not None:
            self._open = replace(self._open, ended_at=max(entry["at"], self._open.ended_at))

    def _last_end(self) -> float:
        return self._runs[-1].ended_at if self._runs else float("-inf")


def _apart(found: list[Run]) -> list[Run]:
    """What is not known of a run's end is known to be over when the next one begins."""
    apart = [
        replace(run, unknown_s=max(0.0, min(run.unknown_s, after.begun_at - run.ended_at)))
        for run, after in pairwise(found)
    ]
    return apart + found[-1:]


def _differ(one: str, other: str) -> bool:
    """Whether two machines are known to be two."""
    return bool(one and other and one != other)


def _machine(entry: Entry) -> dict[str, Any]:
    named = {name: text(entry, name) for name in ("instance", "type", "zone")}
    return named | {"spot": entry.get("spot") is True, "disk_gb": number(entry.get("disk_gb"))}
