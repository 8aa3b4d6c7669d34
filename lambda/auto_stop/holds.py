"""Holds: parameters below one path, one for each holder, so that no holder shortens another's.

A value is JSON, `{"until": 1764530000, "by": "maria", "why": "a demonstration"}`; `until` may be a
date as well, `"2026-11-30T18:00Z"`. A hold ends by itself, so that nobody has to take it away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime

from auto_stop.decision import Hold


def parse(name: str, value: str) -> Hold:
    """What cannot be read is a hold with a fault: whoever wrote it wanted the machine to run."""
    by = name.rsplit("/", 1)[-1]
    try:
        said = json.loads(value)
        until = _moment(said["until"])
    except (ValueError, TypeError, KeyError, OverflowError) as fault:
        return Hold(by=by, fault=f'{name} is not as {{"until": "2026-11-30T18:00Z"}}: {fault!r}')
    return Hold(until, str(said.get("by") or by))


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
