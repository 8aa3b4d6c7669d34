"""Holds: parameters below one path, one for each holder, so that no holder shortens another's.

A value is JSON, `{"until": 1764530000, "by": "maria", "why": "a demonstration"}`; `until` may be a
date as well, `"2026-11-30T18:00Z"`. A hold ends by itself, so that nobody has to take it away.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Hold:
    """Somebody wants the machine to run until then. One that nobody can read has a `fault`."""

    until: float = 0.0
    by: str = ""
    fault: str = ""
    why: str = ""


class Holds:
    """`client` is boto3's of SSM."""

    def __init__(self, client: Any, path: str) -> None:
        self._ssm, self._path = client, path

    def all(self) -> list[Hold]:
        """Those that ended too."""
        pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=self._path)
        return [parse(found["Name"], found["Value"]) for page in pages for found in page["Parameters"]]

    def write(self, hold: Hold) -> None:
        """In the place of the one that its holder had."""
        said = {"until": hold.until, "by": hold.by, "why": hold.why}
        self._ssm.put_parameter(
            Name=self._name(hold.by), Value=json.dumps(said), Type="String", Overwrite=True
        )

    def remove(self, by: str) -> None:
        """Where there is none that is no fault."""
        self._ssm.delete_parameters(Names=[self._name(by)])

    def _name(self, by: str) -> str:
        return f"{self._path}/{parameter_of(by)}"


def parameter_of(by: str) -> str:
    """The last part of the parameter's name: the holder's, as far as SSM takes it, and no other's."""
    if PLAIN.fullmatch(by):
        return by
    return re.sub(r"[^A-Za-z0-9_.-]", "_", by)[:80] + "-" + sha256(by.encode()).hexdigest()[:8]


def parse(name: str, value: str) -> Hold:
    """What cannot be read is a hold with a fault: whoever wrote it wanted the machine to run."""
    by = name.rsplit("/", 1)[-1]
    try:
        said = json.loads(value)
        until = _moment(said["until"])
    except (ValueError, TypeError, KeyError, OverflowError) as fault:
        return Hold(by=by, fault=f'{name} is not as {{"until": "2026-11-30T18:00Z"}}: {fault!r}')
    return Hold(until, str(said.get("by") or by), why=str(said.get("why") or ""))


def latest(holds: Iterable[Hold], now: float) -> Hold | None:
    """The one that counts: in force as long as any is; one that cannot be read only where no other holds."""
    order = sorted(holds, key=lambda hold: (hold.until > now, bool(hold.fault), hold.until))
    return order[-1] if order else None


def _moment(until: object) -> float:
    if isinstance(until, str):
        date = datetime.fromisoformat(until)
        if date.tzinfo is None:
            raise ValueError("the date has no time zone: end it with Z")
        return date.timestamp()
    if isinstance(until, bool) or not isinstance(until, (int, float)) or not math.isfinite(until):
        raise ValueError("until is seconds since 1970, or a date")
    return float(until)
