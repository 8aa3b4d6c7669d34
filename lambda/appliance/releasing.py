"""What a release in hand means for the functions: scripts/release writes how far it is into an item."""

from __future__ import annotations

from appliance.table import CURRENT, Table

KIND, ID = "release", CURRENT
LEASE, HELD = "lease_until", "rules_held"


def holds_rules(table: Table, now: float) -> bool:
    """Whether it leads the rules itself, and nobody else may; one that was killed until its lease ends."""
    item = table.get(KIND, ID) or {}
    return bool(item.get(HELD)) and now < item.get(LEASE, 0.0)
