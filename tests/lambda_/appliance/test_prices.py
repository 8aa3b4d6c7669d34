"""What an hour costs: by the table, over a change of price, and what is not known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.prices import TABLE, Price, Prices, disk_an_hour, region_of
from servers.settings import ROOT

JUNE, DAY = 1_748_736_000.0, 86_400.0
CUT = Prices(
    (
        Price("p5.48xlarge", "us-east-1", False, 100.0, 0.0, "before"),
        Price("p5.48xlarge", "us-east-1", False, 50.0, JUNE, "after"),
    )
)


def rate(prices, begin, end, spot=False, zone=""):
    return prices.rate("p5.48xlarge", "us-east-1", spot, begin, end, zone)


def test_a_time_has_the_price_that_was_in_force():
    assert rate(CUT, JUNE - 2 * DAY, JUNE - DAY).dollars == 100.0
    assert rate(CUT, JUNE + DAY, JUNE + 2 * DAY).dollars == 50.0


def test_over_a_change_it_is_the_mean_by_time():
    found = rate(CUT, JUNE - DAY, JUNE + 3 * DAY)
    assert (found.dollars, found.source, found.since) == (pytest.approx(62.5), "after", JUNE)


def test_a_moment_has_a_price_too():
    assert rate(CUT, JUNE, JUNE).dollars == 50.0
    assert rate(CUT, JUNE - 1, JUNE - 1).dollars == 100.0


def test_before_the_first_price_that_is_known_it_is_that_one():
    assert TABLE.rate("g5.xlarge", "us-east-1", False, 0.0, 3600.0).dollars == 1.006


@pytest.mark.parametrize(
    ("type", "region", "spot"),
    [
        ("g5.xlarge", "ap-south-1", False),
        ("g5.3xlarge", "us-east-1", False),
        ("p5.48xlarge", "us-east-1", False),
        ("g5.8xlarge", "us-east-1", True),
        ("", "", False),
    ],
)
def test_what_is_in_no_table_is_unknown(type, region, spot):
    assert TABLE.rate(type, region, spot, JUNE, JUNE + 1) is None


def test_spot_has_the_price_of_its_zone_where_that_is_known():
    rows = (
        Price("p5.48xlarge", "us-east-1", True, 30.0, 0.0, "typical"),
        Price("p5.48xlarge", "us-east-1", True, 20.0, JUNE, "AWS", "us-east-1b"),
    )
    assert rate(Prices(rows), JUNE, JUNE + DAY, spot=True, zone="us-east-1b").dollars == 20.0
    assert rate(Prices(rows), JUNE, JUNE + DAY, spot=True, zone="us-east-1a").dollars == 30.0


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 1000)), min_size=1, max_size=6),
    st.integers(0, 1000),
    st.integers(0, 1000),
)
def test_a_mean_is_between_the_cheapest_and_the_dearest(rows, begin, hours):
    prices = Prices(
        tuple(Price("g5.xlarge", "us-east-1", False, dollars, since, "") for dollars, since in rows)
    )
    found = prices.rate("g5.xlarge", "us-east-1", False, begin, begin + hours)
    all_dollars = [dollars for dollars, _ in rows]
    assert min(all_dollars) <= found.dollars * (1 + 1e-9)
    assert found.dollars <= max(all_dollars) * (1 + 1e-9)


def test_each_price_of_the_table_has_a_source_a_date_and_is_above_its_spot_price():
    for row in TABLE.rows:
        assert row.source.startswith("https://")
        assert row.since > 0
        on_demand = TABLE.rate(row.type, row.region, False, row.since, row.since)
        assert on_demand is not None
        assert 0 < row.dollars <= on_demand.dollars
        assert row.spot == (row.dollars < on_demand.dollars)


@pytest.mark.parametrize(
    ("zone", "region"),
    [("eu-central-1a", "eu-central-1"), ("us-gov-west-1b", "us-gov-west-1"), ("", ""), ("nowhere", "")],
)
def test_a_zone_is_in_a_region(zone, region):
    assert region_of(zone) == region


def test_a_disk_costs_by_the_hour():
    assert disk_an_hour("us-east-1", 73.0) == pytest.approx(0.008)
    assert disk_an_hour("ap-south-1", 100.0) is None


def test_the_prices_in_the_documentation_are_the_tables():
    rows = re.findall(r"^\| (g\S+) \|(.*)\|$", (ROOT / "docs/cloud.md").read_text(), flags=re.MULTILINE)
    assert rows
    for type, told in rows:
        kinds = [("us-east-1", False), ("us-east-1", True), ("eu-central-1", False), ("eu-central-1", True)]
        for (region, spot), cell in zip(kinds, told.split("|"), strict=True):
            found = TABLE.rate(type, region, spot, JUNE, JUNE)
            assert cell.strip() == (f"${found.dollars:.3f}" if found else ""), (type, region, spot)
