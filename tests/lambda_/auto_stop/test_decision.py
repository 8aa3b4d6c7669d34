"""When the machine stops for want of work, and when not: one sentence each."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from appliance.environment import Limits
from appliance.holds import Hold
from appliance.metrics import Metrics, Point
from auto_stop.decision import SETTLE_S
from tests.lambda_.auto_stop.a_machine import (
    ALARM,
    FLEET,
    HOUR,
    IDLE,
    KEEP,
    MACHINE,
    MINUTE,
    NOW,
    STOP,
    decided,
    every_minute,
    metrics,
    outcome,
)

# Idle


def test_an_idle_machine_stops():
    assert outcome(decided()) == (STOP, "idle")


def test_it_stops_at_the_second_at_which_it_was_idle_for_15_minutes():
    assert outcome(decided(metrics(NOW - 900))) == (STOP, "idle")


def test_it_stays_a_second_before_it_would_have_been_idle_for_15_minutes_when_it_stops():
    assert outcome(decided(metrics(NOW - 899 + SETTLE_S))) == (KEEP, "recent")
    assert outcome(decided(metrics(NOW - 900 + SETTLE_S))) == (STOP, "idle")


def test_a_request_a_moment_ago_keeps_it():
    assert outcome(decided(metrics(NOW - 1))) == (KEEP, "recent")


def test_it_tells_for_how_long_it_was_idle():
    assert decided(metrics(NOW - 1000)).idle_s == 1000


def test_the_idle_time_is_a_setting():
    assert outcome(decided(metrics(NOW - 400), limits=Limits(idle_s=300))) == (STOP, "idle")


def test_work_that_ended_lately_keeps_it_though_its_request_came_hours_ago():
    busy_until = NOW - 10 * MINUTE
    long_job = metrics(NOW - HOUR, work=lambda at: float(at <= busy_until))
    assert outcome(decided(long_job)) == (KEEP, "recent")


def test_work_that_ended_15_minutes_ago_does_not_keep_it():
    long_job = metrics(NOW - HOUR, work=lambda at: float(at <= NOW - 15 * MINUTE))
    assert outcome(decided(long_job)) == (STOP, "idle")


def test_a_machine_that_never_had_a_request_stops_15_minutes_after_it_is_there():
    assert outcome(decided(metrics(last_request_at=0.0))) == (STOP, "idle")


def test_one_minute_of_work_amid_the_idle_time_begins_it_anew():
    one = metrics(work=lambda at: float(at == NOW - 5 * MINUTE))
    assert decided(one).idle_s == 5 * MINUTE


def test_work_in_the_last_minute_keeps_it_after_an_hour_of_none():
    active = [*IDLE.active[:-1], replace(IDLE.active[-1], value=2.0)]
    assert outcome(decided(replace(IDLE, active=active))) == (KEEP, "busy")


# Busy


@pytest.mark.parametrize("pieces", [1, 2, 500])
def test_a_busy_machine_stays(pieces):
    assert outcome(decided(metrics(work=lambda _: pieces))) == (KEEP, "busy")


def test_work_in_one_of_the_last_minutes_counts_as_busy():
    assert outcome(decided(metrics(work=lambda at: float(at == NOW - 2 * MINUTE)))) == (KEEP, "busy")


def test_a_fraction_of_work_is_work():
    assert outcome(decided(metrics(work=lambda _: 0.01))) == (KEEP, "busy")


def test_a_busy_machine_stays_though_its_last_request_is_an_hour_ago():
    assert outcome(decided(metrics(NOW - HOUR, work=lambda _: 1.0))) == (KEEP, "busy")


def test_a_busy_machine_stays_though_its_heart_is_silent():
    silent = replace(
        metrics(work=lambda _: 1.0), heartbeat=every_minute(lambda _: 1.0, until=NOW - 20 * MINUTE)
    )
    assert outcome(decided(silent)) == (KEEP, "busy")


def test_a_busy_machine_stays_in_a_group_too():
    assert outcome(decided(metrics(work=lambda _: 1.0), FLEET)) == (KEEP, "busy")


def test_a_busy_machine_is_not_said_to_be_unstoppable():
    spot = replace(MACHINE, spot="one-time")
    assert outcome(decided(metrics(work=lambda _: 1.0), spot)) == (KEEP, "busy")


def test_work_that_was_dated_in_the_future_is_work():
    active = [*IDLE.active, Point(NOW + 10 * MINUTE, 1.0)]
    assert outcome(decided(replace(IDLE, active=active))) == (KEEP, "busy")


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_what_is_no_count_is_no_reason_to_stop(value):
    assert outcome(decided(metrics(work=lambda _: value))) == (KEEP, "no_data")


# No data


def test_no_data_is_no_reason_to_stop():
    young = replace(MACHINE, launched_at=NOW - HOUR / 2)
    assert outcome(decided(Metrics(), young)) == (KEEP, "no_data")


@pytest.mark.parametrize("missing", ["last_request_at", "active", "heartbeat"])
def test_no_data_of_one_kind_is_no_reason_to_stop(missing):
    young = replace(MACHINE, launched_at=NOW - HOUR / 2)
    assert outcome(decided(replace(IDLE, **{missing: ()}), young)) == (KEEP, "no_data")


@pytest.mark.parametrize("stale", ["last_request_at", "active", "heartbeat"])
def test_old_data_of_one_kind_is_no_reason_to_stop(stale):
    old = every_minute(lambda _: 0.0, until=NOW - 6 * MINUTE)
    assert outcome(decided(replace(IDLE, **{stale: old}))) == (KEEP, "no_data")


def test_data_that_are_some_minutes_late_are_data():
    assert outcome(decided(metrics(until=NOW - 3 * MINUTE))) == (STOP, "idle")


def test_what_it_did_in_a_gap_nobody_knows_so_the_idle_time_begins_after_it():
    before = every_minute(lambda _: 0.0, until=NOW - 20 * MINUTE)
    after = every_minute(lambda _: 0.0, since=NOW - 10 * MINUTE)
    gap = replace(IDLE, active=(*before, *after))
    assert decided(gap).idle_s == 10 * MINUTE


def test_after_a_gap_it_stops_once_it_was_idle_for_15_minutes():
    before = every_minute(lambda _: 0.0, until=NOW - 40 * MINUTE)
    after = every_minute(lambda _: 0.0, since=NOW - 15 * MINUTE)
    assert outcome(decided(replace(IDLE, active=(*before, *after)))) == (STOP, "idle")


def test_one_lost_minute_is_no_gap():
    active = [point for point in IDLE.active if point.at != NOW - 10 * MINUTE]
    assert outcome(decided(replace(IDLE, active=active))) == (STOP, "idle")


def test_an_hour_without_anything_is_an_alarm_and_no_stop():
    assert outcome(decided(Metrics())) == (ALARM, "blind")


def test_an_hour_without_a_heartbeat_is_an_alarm_and_no_stop():
    assert outcome(decided(replace(IDLE, heartbeat=()))) == (ALARM, "blind")


def test_59_minutes_without_a_heartbeat_are_none():
    silent = replace(IDLE, heartbeat=every_minute(lambda _: 1.0, until=NOW - 59 * MINUTE))
    assert outcome(decided(silent)) == (KEEP, "no_data")


def test_a_machine_that_runs_for_less_than_an_hour_is_not_blind_yet():
    assert outcome(decided(Metrics(), replace(MACHINE, launched_at=NOW - 59 * MINUTE))) == (KEEP, "no_data")


@pytest.mark.parametrize(
    ("missing", "name"), [("active", "ActiveRequests"), ("last_request_at", "LastRequestAt")]
)
def test_a_machine_whose_heart_beats_and_that_tells_nothing_else_is_blind(missing, name):
    decision = decided(replace(IDLE, **{missing: ()}))
    assert outcome(decision) == (ALARM, "blind")
    assert name in decision.why


def test_a_hold_does_not_silence_the_alarm_of_a_blind_machine():
    assert outcome(decided(Metrics(), hold=Hold(NOW + HOUR))) == (ALARM, "blind")


def test_the_alarm_says_what_a_person_can_do():
    assert "publisher" in decided(Metrics()).why


# The future


def test_a_last_request_in_the_future_is_an_alarm_and_no_stop():
    future = replace(IDLE, last_request_at=(Point(NOW, NOW + HOUR),))
    assert outcome(decided(future)) == (ALARM, "clock")


def test_clocks_that_differ_by_seconds_do_no_harm():
    ahead = replace(IDLE, last_request_at=(Point(NOW, NOW + 30),))
    assert outcome(decided(ahead)) == (KEEP, "recent")


def test_a_heartbeat_from_the_future_is_no_heartbeat():
    future = replace(IDLE, heartbeat=(Point(NOW + 10 * MINUTE, 1.0),))
    assert decided(future).action != STOP


def test_a_clock_that_was_mended_is_no_alarm():
    mended = (Point(NOW - 10 * MINUTE, NOW + HOUR), Point(NOW, NOW - 20 * MINUTE))
    assert outcome(decided(replace(IDLE, last_request_at=mended))) == (KEEP, "recent")


def test_a_launch_in_the_future_is_a_start():
    assert outcome(decided(instance=replace(MACHINE, launched_at=NOW + MINUTE))) == (KEEP, "grace")
