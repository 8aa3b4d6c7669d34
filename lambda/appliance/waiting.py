"""Accepted work in the table that has not ended: what the machine is to do yet, and what it has in hand."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.table import WAITING, Table

UPLOADING, TAKEN = "uploading", "taken"


@dataclass(frozen=True)
class Waiting:
    """`waits` pieces that nobody has taken, the oldest accepted at `since`; `taken` that the machine has."""

    waits: int = 0
    since: float = 0.0
    taken: int = 0


def look(table: Table, now: float) -> Waiting:
    """What is not whole yet does not count; what was taken and not held on to waits again."""
    items = [item for item in table.all(WAITING) if item.get("status") != UPLOADING]
    taken = [item for item in items if item.get("status") == TAKEN and item.get("lease_until", 0.0) >= now]
    waits = [item for item in items if item not in taken]
    since = min((float(item.get("accepted_at", now)) for item in waits), default=0.0)
    return Waiting(len(waits), since, len(taken))
