"""The ledger's sums, and that they agree, whatever is in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger import cost_so_far
from appliance.prices import TABLE, Prices
from appliance.totals import totals
from tests.lambda_.appliance.a_ledger import HOUR, NOW, PRICES, STAGES, a_run, a_start, a_stop, entry

T = NOW - 10 * HOUR
NOTHING = Prices(())


def of(entries, prices=PRICES, now=NOW, since=None, running=None):
    return totals(entries, prices, now, since, running)


def test_hours_and_dollars_of_one_run():
    found = of(a_run(T, 2.0))
    assert found["hours"] == pytest.approx({"on": 2.0, "off": 8.0, "unknown": 0.0})
    assert found["cost"] == {"dollars": pytest.approx(2.0), "unknown_hours": 0.0}
    assert found["saved"] == {
        "dollars": pytest.approx(8.0), "unknown_hours": 0.0, "running_through": pytest.approx(10.0),
    }  # fmt: skip


def test_a_price_that_is_unknown_is_said_to_be_and_is_not_0():
    found = of(a_run(T, 2.0, type="p5.48xlarge"))
    assert found["cost"] == {"dollars": None, "unknown_hours": pytest.approx(2.0)}
    assert (found["saved"]["dollars"], found["saved"]["running_through"]) == (None, None)
    (group,) = found["by_price"]
    assert (group["dollars"], group["per_hour"], group["source"]) == (None, None, None)


def test_beside_an_unknown_price_the_known_ones_are_summed():
    found = of([*a_run(T, 2.0, type="p5.48xlarge"), *a_run(T + 4 * HOUR, 1.0)])
    assert found["cost"] == {"dollars": pytest.approx(1.0), "unknown_hours": pytest.approx(2.0)}


def test_what_it_cost_as_it_was_reckoned_then_stands():
    assert of(a_run(T, 2.0, dollars=1.5))["cost"]["dollars"] == 1.5


def test_by_type_spot_and_region():
    entries = [
        *a_run(T, 2.0),
        *a_run(T + 4 * HOUR, 1.0, spot=True),
        *a_run(T + 6 * HOUR, 1.0, zone="us-east-1b"),
    ]
    groups = {(g["region"], g["spot"]): g for g in of(entries)["by_price"]}
    assert groups["eu-central-1", False]["dollars"] == pytest.approx(2.0)
    assert groups["eu-central-1", True]["dollars"] == pytest.approx(0.4)
    assert groups["eu-central-1", True]["source"] == "a test's table"
    assert groups["us-east-1", False]["dollars"] is None


def test_hours_by_purpose():
    entries = [*a_run(T, 2.0, why="chapter 3"), *a_run(T + 4 * HOUR, 1.0, why="a demonstration")]
    entries += [*a_run(T + 6 * HOUR, 0.5, why="chapter 3")]
    assert of(entries)["hours_by_purpose"] == pytest.approx({"chapter 3": 2.5, "a demonstration": 1.0})


def test_why_it_started_and_stopped_is_counted():
    entries = [*a_run(T), *a_run(T + 2 * HOUR), *a_run(T + 4 * HOUR, by="ben", why="a test", reason="force")]
    found = of(entries)
    assert found["why_started"][0] == {"by": "maria", "why": "chapter 3", "count": 2}
    assert found["why_stopped"] == [
        {"by": "auto_stop", "why": "idle", "count": 2},
        {"by": "auto_stop", "why": "force", "count": 1},
    ]


def test_the_stages_of_the_starts():
    slow = [entry("start_asked", T + 3 * HOUR), entry("start_ready", T + 4 * HOUR, seconds={"boot": 100.0})]
    stages = of([*a_run(T), *slow])["stages"]
    assert stages["boot"] == {"count": 2, "median_s": 80.0, "longest_s": 100.0}
    assert stages["audio"] == {"count": 1, "median_s": 10.0, "longest_s": 10.0}
    assert list(stages) == list(STAGES)


def test_what_an_hour_of_audio_cost():
    entries = [*a_run(T, 2.0, audio_s=7200.0), *a_run(T + 4 * HOUR, 1.0), *a_start(NOW - 60)]
    assert of(entries)["audio"] == {"hours": 2.0, "dollars_per_hour": pytest.approx(1.0)}


def test_without_audio_there_is_no_cost_of_an_hour_of_it():
    assert of(a_run(T, 2.0))["audio"] == {"hours": None, "dollars_per_hour": None}
    assert of(a_run(T, 2.0, audio_s=0.0))["audio"] == {"hours": 0.0, "dollars_per_hour": None}


def test_disks_cost_while_it_is_off():
    found = of(a_run(T, 2.0, disk_gb=100.0))
    assert found["disks"] == {"gb": 100.0, "dollars": pytest.approx(0.0952 * 100 / 730 * 8)}
    assert of(a_run(T, 2.0))["disks"] is None


def test_a_run_that_reaches_into_the_time_counts_with_the_part_of_it():
    entries = a_run(T, 4.0, audio_s=7200.0, dollars=8.0)
    found = of(entries, since=T + 20 + 3 * HOUR)
    assert found["hours"]["on"] == pytest.approx(1.0)
    assert found["cost"]["dollars"] == pytest.approx(2.0)
    assert found["audio"]["hours"] == pytest.approx(0.5)
    assert found["why_started"] == []


def test_before_the_first_entry_nothing_was_saved():
    assert of(a_run(T, 2.0), since=T - 100 * HOUR)["since"] == T


def test_an_end_that_nobody_wrote_is_marked_and_its_hours_are_neither_on_nor_off():
    entries = [*a_start(T), *a_run(T + 5 * HOUR, 1.0)]
    found = of(entries)
    assert found["assumed_ends"] == 1
    assert found["hours"]["unknown"] == pytest.approx(5.0 - 180 / HOUR)
    assert found["runs"][1]["ended"] == "unheard"


def test_an_empty_ledger_costs_nothing():
    found = of([])
    assert (found["cost"]["dollars"], found["saved"]["dollars"], found["runs"]) == (0.0, 0.0, [])


def test_a_machine_that_runs_now_has_cost_until_now():
    assert of(a_start(NOW - HOUR - 20))["cost"]["dollars"] == pytest.approx(1.0)


def test_today_and_this_month():
    yesterday = NOW - 24 * HOUR
    entries = [*a_run(yesterday, 2.0), *a_run(NOW - 3 * HOUR, 1.0)]
    cost = cost_so_far(entries, PRICES, NOW)
    assert cost["today"] == pytest.approx(1.0)
    assert cost["month"] == pytest.approx(3.0)
    assert cost["saved_month"] == pytest.approx(21.0)


def test_the_seeds_month_by_the_table():
    """Four hours on 22 days: $47 on demand, as the seed reckons, and $14 at its spot price."""
    entries = []
    for day in range(22):
        entries += a_run(NOW - (30 - day) * 24 * HOUR, 4.0, type="g4dn.xlarge", zone="us-east-1a")
    assert of(entries, TABLE)["cost"]["dollars"] == pytest.approx(46.29, abs=0.01)
    spot = [each | {"spot": True} for each in entries]
    assert of(spot, TABLE)["cost"]["dollars"] == pytest.approx(16.45, abs=0.01)


# Whatever is in it

moments = st.integers(0, 3000).map(lambda tens: NOW - 10.0 * tens)
types = st.sampled_from(["g5.xlarge", "p5.48xlarge"])
machines = st.fixed_dictionaries(
    {
        "instance": st.sampled_from(["i-0a", "i-0b", ""]),
        "type": types,
        "zone": st.sampled_from(["eu-central-1a", "us-east-1b"]),
        "spot": st.booleans(),
    }
)
seconds = st.dictionaries(st.sampled_from(list(STAGES)), st.floats(0, 3600), max_size=5)
fields = st.fixed_dictionaries(
    {"by": st.sampled_from(["maria", "ben", ""]), "purpose": st.sampled_from(["a", "b", ""])},
    optional={
        "ran_s": st.floats(0, 40_000),
        "audio_s": st.floats(0, 9000),
        "seconds": seconds,
        "dollars": st.floats(0, 50),
    },
)
events = st.sampled_from(
    ["start_asked", "start_ready", "start_failed", "stopped", "hold", "interruption", "stop_refused"]
)
entries_ = st.lists(
    st.builds(
        lambda event, at, machine, more: entry(event, at, **machine, **more),
        events,
        moments,
        machines,
        fields,
    ),
    max_size=25,
)
RUNNING = st.sampled_from([None, True, False])


@settings(max_examples=100)
@given(entries_, RUNNING)
def test_on_off_and_unknown_are_all_of_the_time(entries, running):
    found = of(entries, running=running)
    begun = min((run["begun_at"] for run in found["runs"]), default=NOW)
    whole = (found["until"] - found["since"]) / HOUR
    hours = found["hours"]
    if found["runs"]:
        assert hours["on"] + hours["off"] + hours["unknown"] == pytest.approx(whole)
    assert min(hours.values()) >= 0
    assert begun >= min([each["at"] for each in entries], default=NOW) - 40_000


@settings(max_examples=100)
@given(entries_, RUNNING)
def test_the_sums_agree(entries, running):
    found = of(entries, running=running)
    on, cost = found["hours"]["on"], found["cost"]
    assert sum(found["hours_by_purpose"].values()) == pytest.approx(on)
    assert sum(group["hours"] for group in found["by_price"]) == pytest.approx(on)
    assert sum(run["hours"] for run in found["runs"]) == pytest.approx(on)
    assert sum(group["unknown_hours"] for group in found["by_price"]) == pytest.approx(cost["unknown_hours"])
    known = [group["dollars"] for group in found["by_price"] if group["dollars"] is not None]
    assert sum(known) == pytest.approx(cost["dollars"] or 0.0)
    if found["saved"]["running_through"] is not None:
        assert found["saved"]["running_through"] == cost["dollars"] + found["saved"]["dollars"]
    json.dumps(found, allow_nan=False)


@settings(max_examples=100)
@given(entries_, RUNNING)
def test_a_ledger_that_is_written_twice_and_in_any_order_says_the_same(entries, running):
    once = of(entries, running=running)
    again = of([*reversed(entries), *entries], running=running)
    assert {**again, "ignored": None} == {**once, "ignored": None}


@settings(max_examples=100)
@given(entries_, entries_)
def test_what_is_in_the_future_changes_nothing(entries, others):
    later = [each | {"at": each["at"] + 40_000} for each in others]
    assert {**of([*entries, *later]), "ignored": None} == {**of(entries), "ignored": None}


@settings(max_examples=100)
@given(entries_, st.integers(0, 3000))
def test_two_halves_of_a_time_are_the_whole(entries, tens):
    middle = NOW - 10.0 * tens
    whole, late = of(entries), of(entries, since=middle)
    early = of([each for each in entries if each["at"] <= middle], now=middle)
    if all(run["ended"] == "stopped" and run["begun_at"] >= middle for run in whole["runs"]):
        assert late["hours"]["on"] == pytest.approx(whole["hours"]["on"])
    assert late["hours"]["on"] <= whole["hours"]["on"] + 1e-9
    assert early["until"] == middle


def test_nothing_is_known_without_prices():
    assert of(a_run(T), NOTHING)["cost"]["dollars"] is None


def test_a_stop_alone_is_a_run_of_its_own_machine():
    assert of([a_stop(T + HOUR, ran_s=HOUR)], since=T)["hours"]["on"] == 1.0
    assert of([a_start(T)[0], entry("start_failed", T), a_stop(T + HOUR, ran_s=HOUR)])["hours"]["on"] == 1.0


def test_running_through_is_unknown_where_any_hour_is():
    found = of([*a_run(T, 2.0, type="p5.48xlarge"), *a_run(T + 4 * HOUR, 1.0)])
    assert found["saved"]["running_through"] is None
