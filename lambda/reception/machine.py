"""How far the machine is, for whoever waits for it."""

from __future__ import annotations

from typing import Any

from appliance.table import CURRENT, START, Table

LIKELY_S = 180.0
"""How long a start usually takes, where nobody knows better."""


def of(table: Table) -> dict[str, Any]:
    """{"state", "stage", "left_s"}."""
    item = table.get(START, CURRENT) or {}
    return {"state": item.get("state", "off"), "stage": None, "left_s": None}


def retry_after_s(machine: dict[str, Any]) -> float:
    return float(machine["left_s"] or LIKELY_S)
