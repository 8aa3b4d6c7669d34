"""What is made of the ledger's entries: when the machine ran, and how that is known."""

from __future__ import annotations

import pytest

from appliance.entries import sound
from appliance.runs import GOES_ON, INTERRUPTION, STOPPED, UNHEARD, runs
from tests.lambda_.appliance.a_ledger import (
    BILLED_S,
    HOUR,
    MACHINE,
    NOW,
    STAGES,
    a_run,
    a_start,
    a_stop,
    entry,
)

T = NOW - 10 * HOUR


def told(entries, now=NOW, running=None):
    """(begun, ended, how), in seconds since T."""
    found = runs(sound(entries, now).entries, now, running)
    return [(run.begun_at - T, run.ended_at - T, run.ended) for run in found]


def test_a_run_is_from_its_start_to_its_stop():
    assert told(a_run(T, 1.0)) == [(20, 20 + HOUR, STOPPED)]


def test_what_waited_for_capacity_did_not_cost():
    ready, stop = a_start(T)[1], a_stop(T + HOUR)
    assert told([ready, stop]) == [(180 - BILLED_S, HOUR, STOPPED)]


def test_the_stop_knows_best_how_long_it_ran():
    assert told([*a_start(T), a_stop(T + HOUR, ran_s=1000)]) == [(HOUR - 1000, HOUR, STOPPED)]


def test_without_stages_it_began_when_it_was_asked():
    asked, ready = a_start(T)
    assert told([asked, ready | {"seconds": {}}, a_stop(T + HOUR)]) == [(0, HOUR, STOPPED)]


def test_who_asked_and_why_is_the_runs():
    (run,) = runs(a_run(T, by="ben", why="a demonstration"), NOW)
    assert (run.by, run.why, run.purpose) == ("ben", "a demonstration", "a demonstration")
    assert (run.stopped_by, run.reason, run.stopped_why) == ("auto_stop", "idle", "no work for 900 s")
    assert run.seconds == STAGES


def test_a_second_caller_joined_and_the_first_ones_reason_counts():
    asked, *others = a_run(T, by="maria")
    (run,) = runs([asked, entry("start_asked", T + 30, by="ben", why="me too"), *others], NOW)
    assert (run.by, run.why) == ("maria", "chapter 3")


def test_a_run_that_goes_on_counts_until_now():
    assert told(a_start(NOW - HOUR)) == [(NOW - HOUR + 20 - T, NOW - T, GOES_ON)]


def test_one_that_is_known_not_to_run_any_more_was_heard_last_when_it_was_ready():
    begun = NOW - HOUR - T
    found = runs(a_start(NOW - HOUR), NOW, running=False)
    assert told(a_start(NOW - HOUR), running=False) == [(begun + 20, begun + 180, UNHEARD)]
    assert found[0].unknown_s == HOUR - 180


def test_a_stop_without_an_entry_is_closed_by_what_was_heard_last():
    entries = [*a_start(T), entry("stop_refused", T + 2 * HOUR, by="maria"), *a_run(T + 5 * HOUR, 1.0)]
    first, second = runs(entries, NOW)
    assert (first.ended, first.ended_at, first.unknown_s) == (UNHEARD, T + 2 * HOUR, 3 * HOUR)
    assert second.begun_at == T + 5 * HOUR + 20


def test_what_ended_unheard_is_over_when_another_machine_is_ready():
    entries = [a_start(T)[1], a_start(T + 3 * HOUR, instance="i-0b")[1]]
    first, second = runs(entries, NOW)
    assert (first.ended, second.instance, second.ended) == (UNHEARD, "i-0b", GOES_ON)
    assert first.ended_at + first.unknown_s == second.begun_at


def test_a_spot_instance_is_gone_two_minutes_after_the_notice():
    entries = [*a_start(T, spot=True), entry("interruption", T + HOUR), *a_run(T + 2 * HOUR)]
    assert told(entries)[0] == (20, HOUR + 120, INTERRUPTION)


def test_a_spot_instance_that_has_a_notice_runs_until_it_is_gone():
    entries = [*a_start(T), entry("interruption", T + HOUR)]
    assert told(entries, now=T + HOUR + 30) == [(20, HOUR + 30, INTERRUPTION)]
    assert told(entries, now=NOW) == [(20, HOUR + 120, INTERRUPTION)]


def test_a_notice_and_then_a_stop_is_one_end():
    entries = [*a_start(T), entry("interruption", T + HOUR), a_stop(T + HOUR + 60)]
    assert told(entries) == [(20, HOUR + 60, STOPPED)]


def test_two_notices_are_one():
    entries = [*a_start(T), entry("interruption", T + HOUR), entry("interruption", T + HOUR + 100)]
    assert told(entries) == [(20, HOUR + 120, INTERRUPTION)]


def test_a_stop_that_is_written_twice_counts_once():
    entries = [*a_run(T, 1.0), a_stop(T + 20 + HOUR + 60, ran_s=HOUR + 60)]
    assert told(entries) == [(20, 20 + HOUR, STOPPED)]


def test_a_stop_of_a_machine_that_nobody_started_here_tells_of_its_run():
    assert told([a_stop(T + HOUR, ran_s=1800)]) == [(HOUR - 1800, HOUR, STOPPED)]


def test_a_stop_of_which_nothing_is_known_is_none():
    assert told([a_stop(T + HOUR)]) == []


def test_a_failed_start_whose_machine_ran_is_a_run_of_who_asked():
    asked = a_start(T)[0]
    entries = [asked, entry("start_failed", T + 600, why="no image"), a_stop(T + 900, ran_s=800)]
    (run,) = runs(entries, NOW)
    assert (run.by, run.why, run.begun_at - T, run.ended_at - T) == ("maria", "chapter 3", 100, 900)


def test_a_failed_start_without_a_machine_is_no_run():
    assert told([a_start(T)[0], entry("start_failed", T + 600)]) == []


def test_a_start_that_somebody_asked_for_while_it_ran_does_not_cut_the_run():
    entries = [*a_start(T), entry("start_asked", T + 1800, by="ben"), a_stop(T + 20 + HOUR, ran_s=HOUR)]
    assert told(entries) == [(20, 20 + HOUR, STOPPED)]


def test_a_stop_of_the_machine_before_comes_late_and_ends_that_one():
    entries = [a_start(T)[1], a_start(T + HOUR, instance="i-0b")[1], a_stop(T + HOUR + 200, instance="i-0a")]
    first, second = runs(entries, NOW)
    assert (first.ended, first.ended_at) == (STOPPED, second.begun_at)
    assert (second.instance, second.ended) == ("i-0b", GOES_ON)


@pytest.mark.parametrize("ran_s", [-1, float("inf"), "long", True, None])
def test_how_long_it_ran_is_a_number_or_is_not_looked_at(ran_s):
    assert told([*a_start(T), a_stop(T + HOUR) | {"ran_s": ran_s}]) == [(20, HOUR, STOPPED)]


def test_entries_in_any_order_are_the_same():
    entries = [*a_run(T), *a_run(T + 3 * HOUR), *a_start(NOW - 600)]
    assert told(entries[::-1]) == told(entries)


def test_what_is_from_the_future_twice_or_unreadable_is_counted_and_left_out():
    entries = a_run(T)
    broken = [{"event": "stopped"}, {"at": T}, {"event": "stopped", "at": "soon"}]
    found = sound([*entries, *entries, *broken, a_stop(NOW + 120)], NOW)
    assert list(found.entries) == entries
    assert found.ignored == {"unreadable": 3, "future": 1, "twice": 3}


def test_a_hold_does_not_show_that_it_runs():
    entries = [*a_start(T), entry("hold", T + 2 * HOUR), *a_run(T + 5 * HOUR)]
    assert told(entries)[0] == (20, 180, UNHEARD)


def test_a_spot_instance_that_is_gone_is_told_with_how_long_it_ran():
    gone = entry("interruption", T + HOUR, by="aws", ran_s=HOUR - 30, **MACHINE)
    assert told([*a_start(T), gone]) == [(30, HOUR, INTERRUPTION)]


def test_ec2s_time_of_the_launch_counts_where_it_is_told():
    asked, ready = a_start(T)
    assert told([asked, ready | {"launched_at": T + 5}, a_stop(T + HOUR)]) == [(5, HOUR, STOPPED)]


def test_a_machine_that_was_found_running_had_begun_before_anybody_asked():
    found = entry("start_asked", T + 170, by="somebody", why="i-0a was found running")
    ready = entry("start_ready", T + 180, seconds=STAGES, **MACHINE)
    assert told([found, ready, a_stop(T + HOUR)]) == [(20, HOUR, STOPPED)]
