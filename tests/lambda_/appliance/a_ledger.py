"""A ledger as it is written: a start, its stages, a stop."""

from __future__ import annotations

from typing import Any

from appliance.prices import Price, Prices

NOW = 1_796_040_000.0  # 2026-11-30 12:00 UTC
HOUR = 3600.0
STAGES = {"capacity": 20.0, "boot": 60.0, "image": 40.0, "model": 50.0, "audio": 10.0}
BILLED_S = 160.0
MACHINE = {"instance": "i-0a", "type": "g5.xlarge", "zone": "eu-central-1a", "spot": False}
PRICES = Prices(
    (
        Price("g5.xlarge", "eu-central-1", False, 1.0, 0.0, "a test's table"),
        Price("g5.xlarge", "eu-central-1", True, 0.4, 0.0, "a test's table"),
    )
)


def entry(event: str, at: float, **fields: Any) -> dict[str, Any]:
    return {"kind": "ledger", "id": f"{at:017.3f}#{event}", "event": event, "at": at} | fields


def a_start(at: float, by: str = "maria", why: str = "chapter 3", **machine: Any) -> list[dict[str, Any]]:
    """Asked for at that moment, ready three minutes later."""
    asked = entry("start_asked", at, by=by, why=why)
    return [asked, entry("start_ready", at + 180, seconds=STAGES, purpose=why, **MACHINE | machine)]


def a_stop(at: float, ran_s: float | None = None, **fields: Any) -> dict[str, Any]:
    told = {"by": "auto_stop", "why": "no work for 900 s", "reason": "idle"} | MACHINE | fields
    return entry("stopped", at, **(told if ran_s is None else told | {"ran_s": ran_s}))


def a_run(at: float, hours: float = 1.0, **fields: Any) -> list[dict[str, Any]]:
    """It costs from 20 s after it was asked for, so many hours."""
    machine = {name: fields[name] for name in MACHINE if name in fields}
    start = {name: fields.pop(name) for name in ("by", "why") if name in fields}
    return [*a_start(at, **start, **machine), a_stop(at + 20 + hours * HOUR, hours * HOUR, **fields)]
