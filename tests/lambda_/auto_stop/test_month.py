"""Some days of `scripts/bench month`: never stopped while busy, and always soon after the last work."""

from __future__ import annotations

import pytest

from benchmarks.month import ACTS_S, LIMITS, RUN_S, TICK_S, simulate

DAYS = 60


@pytest.fixture(scope="module")
def days():
    return simulate(DAYS, seed=7)


def test_it_is_never_stopped_while_busy(days):
    assert days.stops > DAYS
    assert days.busy_stops == 0


def test_no_work_is_lost(days):
    assert days.came == days.done > 0
    assert days.received > 0


def test_it_is_stopped_within_15_minutes_and_a_tick_of_the_last_work(days):
    assert 0 < days.worst_idle_s <= LIMITS.idle_s + TICK_S + ACTS_S
    assert days.worst_late_s <= TICK_S + RUN_S
    assert days.never_stopped == 0


def test_it_is_not_stopped_before_15_minutes_have_passed(days):
    assert days.least_idle_s >= LIMITS.idle_s


def test_without_a_hold_of_the_machines_own_some_work_would_be_met():
    assert simulate(DAYS * 3, seed=7, own_hold=False).busy_stops > 0
