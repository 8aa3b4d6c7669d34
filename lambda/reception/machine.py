"""How far the machine is, for whoever waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.progress import current, left_s, usual
from appliance.starts import Starts
from appliance.table import LEDGER, Table

LOOKED_BACK = 100
"""Entries of the ledger of which the last starts are."""


@dataclass(frozen=True)
class Progress:
    state: str
    stage: str | None  # of a start in hand
    left_s: float | None  # until it is ready, as it usually is; None where nothing is in hand
    start_s: float  # how long a whole start usually takes

    @property
    def retry_after_s(self) -> float:
        """When whoever wants an answer at once may come back: a start begins with what they ask."""
        return self.start_s if self.left_s is None else self.left_s

    def body(self) -> dict[str, Any]:
        return {"state": self.state, "stage": self.stage, "left_s": self.left_s}


def progress(table: Table, now: float) -> Progress:
    start = Starts(table).read()
    usual_s = usual(table.all(LEDGER, newest_first=True, at_most=LOOKED_BACK))
    return Progress(start.state, current(start), left_s(start, usual_s, now), sum(usual_s.values()))
