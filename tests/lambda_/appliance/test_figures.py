"""What is published of the appliance itself."""

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="boto3 is not installed")

from appliance.figures import figures

NOW = 1_900_000_000.0
KNOWN = {"today": 1.5, "month": 12.25, "saved_month": 300.0}


def values(**given) -> dict[str, float]:
    told = {"cost": KNOWN, "launched_at": NOW - 90, "now": NOW} | given
    return {each["MetricName"]: each["Value"] for each in figures("speech", **told)}


def test_what_it_costs_and_how_long_it_runs():
    expected = {"RunningSeconds": 90.0, "CostToday": 1.5, "CostMonth": 12.25, "SavedMonth": 300.0}
    assert values() == expected


def test_one_that_is_off_has_run_for_no_time():
    assert values(launched_at=None)["RunningSeconds"] == 0.0


def test_a_clock_that_is_behind_makes_no_time_less_than_none():
    assert values(launched_at=NOW + 5)["RunningSeconds"] == 0.0


def test_what_is_not_known_of_the_cost_is_not_published():
    assert values(cost=KNOWN | {"today": None, "saved_month": None}).keys() == {"RunningSeconds", "CostMonth"}


def test_each_is_of_this_appliance_and_of_this_moment():
    for each in figures("speech", KNOWN, None, NOW):
        assert each["Dimensions"] == [{"Name": "Appliance", "Value": "speech"}]
        assert each["Timestamp"] == NOW
