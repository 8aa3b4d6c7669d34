"""The ledger's entries: in the order of time, each once."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance import ledger
from appliance.table import LEDGER
from tests.lambda_ import aws as fixtures

aws = fixtures.aws


def test_entries_are_in_the_order_of_time(aws):
    table = aws.table()
    for at, event in (
        (1_900_000_000.25, "stopped"),
        (1_800_000_000.0, "start_asked"),
        (1_900_000_000.25, "hold"),
    ):
        ledger.write(table, event, at, by="maria", instance=None)
    entries = list(table.all(LEDGER))
    assert [entry["at"] for entry in entries] == [1_800_000_000, 1_900_000_000.25, 1_900_000_000.25]
    assert entries[0]["id"].startswith("2027-01-15T08:00:00.000Z#")
    assert entries[0].keys() == {"kind", "id", "event", "at", "by"}
