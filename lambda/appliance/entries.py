"""The ledger's entries: which of them can be counted, and what is read of one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SKEW_S = 60.0
"""So much may two clocks differ before what one says is from the other's future."""
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Sound:
    """Entries that can be counted, in the order of time; and how many cannot, by why."""

    entries: tuple[Entry, ...]
    ignored: Mapping[str, int]


def sound(entries: Iterable[Entry], now: float) -> Sound:
    """Each entry is 1. not readable, 2. from the future, 3. there already, or 4. one that counts."""
    ignored = {"unreadable": 0, "future": 0, "twice": 0}
    kept: dict[str, Entry] = {}  # by what they tell
    for entry in entries:
        at = number(entry.get("at"))
        told = repr(
            sorted((name, repr(value)) for name, value in entry.items() if name not in ("id", "kind"))
        )
        if at is None or not isinstance(entry.get("event"), str):
            ignored["unreadable"] += 1  # 1
        elif at > now + SKEW_S:
            ignored["future"] += 1  # 2
        elif told in kept:
            ignored["twice"] += 1  # 3
        else:
            kept[told] = entry  # 4
    order = sorted(kept, key=lambda told: (kept[told]["at"], kept[told]["event"], told))
    return Sound(tuple(kept[told] for told in order), ignored)


def number(value: object) -> float | None:
    """Seconds or dollars as an entry has them; None for what is no such number."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value < 0
    ):
        return None
    return float(value)


def stages_of(entry: Entry) -> dict[str, float]:
    """How long each stage of a start took."""
    told = entry.get("seconds")
    if not isinstance(told, Mapping):
        return {}
    return {str(stage): found for stage, each in told.items() if (found := number(each)) is not None}


def text(entry: Entry, name: str) -> str:
    """Empty for what is no text."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""
