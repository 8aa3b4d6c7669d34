"""What is decided of a machine that starts, is held, or cannot simply be stopped: one sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.environment import Limits
from appliance.holds import Hold
from appliance.machine import Group, Instance
from appliance.metrics import Metrics, Point
from appliance.waiting import Waiting
from auto_stop.decision import Wanted
from tests.lambda_.auto_stop.a_machine import (
    ALARM,
    EMPTY,
    FLEET,
    HOUR,
    IDLE,
    KEEP,
    MACHINE,
    MINUTE,
    NOW,
    STOP,
    decided,
    metrics,
    outcome,
)

# Grace


def test_a_machine_that_has_just_started_stays():
    assert outcome(decided(Metrics(), replace(MACHINE, launched_at=NOW - 10))) == (KEEP, "grace")


def test_grace_ends_by_the_second():
    limits = Limits(grace_s=1200)
    assert outcome(decided(instance=replace(MACHINE, launched_at=NOW - 1199), limits=limits)) == (
        KEEP,
        "grace",
    )
    assert decided(instance=replace(MACHINE, launched_at=NOW - 1200), limits=limits).reason != "grace"


def test_metrics_of_the_former_run_do_not_stop_a_machine_that_was_started_again():
    restarted = replace(MACHINE, launched_at=NOW - 20 * MINUTE)
    assert outcome(decided(metrics(until=NOW - 22 * MINUTE), restarted)) == (KEEP, "no_data")


def test_work_of_the_former_run_does_not_keep_a_machine_that_was_started_again():
    restarted = replace(MACHINE, launched_at=NOW - 30 * MINUTE)
    former = metrics(0.0, work=lambda at: float(at < NOW - 31 * MINUTE))
    assert outcome(decided(former, restarted)) == (STOP, "idle")


def test_a_start_that_takes_long_is_not_idle_time():
    slow = replace(MACHINE, launched_at=NOW - 40 * MINUTE)
    assert outcome(decided(metrics(since=NOW - 10 * MINUTE), slow)) == (KEEP, "recent")


def test_a_model_that_is_loading_is_work():
    young = replace(MACHINE, launched_at=NOW - 16 * MINUTE)
    loading = metrics(0.0, work=lambda _: 1.0, since=NOW - 14 * MINUTE)
    assert outcome(decided(loading, young)) == (KEEP, "busy")


# A start in hand

STARTS = Wanted(starting_for="maria")


def test_a_machine_that_is_not_ready_yet_stays_though_it_was_idle_for_long():
    decision = decided(wanted=STARTS)
    assert outcome(decision) == (KEEP, "starting")
    assert "maria" in decision.why


def test_a_machine_that_is_not_ready_yet_is_no_alarm_though_nothing_was_heard_of_it():
    assert outcome(decided(Metrics(), wanted=STARTS)) == (KEEP, "starting")


def test_a_start_whose_machine_is_off_is_not_the_matter_of_who_stops():
    assert decided(instance=replace(MACHINE, state="stopped"), wanted=STARTS).reason == "not_running"


# Before the first release

NO_IMAGE = Wanted(has_image=False)


def test_a_machine_for_which_nothing_was_released_stops_after_its_grace_though_its_start_is_in_hand():
    wanted = replace(NO_IMAGE, starting_for="somebody")
    decision = decided(Metrics(), replace(MACHINE, launched_at=NOW - 16 * MINUTE), wanted=wanted)
    assert outcome(decision) == (STOP, "no_image")
    assert "nothing was released yet" in decision.why
    assert (
        decided(Metrics(), replace(MACHINE, launched_at=NOW - 14 * MINUTE), wanted=wanted).reason == "grace"
    )


def test_the_group_of_such_a_machine_is_emptied():
    assert outcome(decided(Metrics(), FLEET, wanted=NO_IMAGE)) == (EMPTY, "no_image")


@pytest.mark.parametrize("hold", [Hold(NOW + 60, "release"), Hold(0.0, fault="no JSON")])
def test_whoever_holds_it_meanwhile_keeps_it(hold):
    assert decided(Metrics(), hold=hold, wanted=NO_IMAGE).action in (KEEP, ALARM)


@pytest.mark.parametrize("waiting", [Waiting(waits=1, since=NOW), Waiting(taken=1)])
def test_work_that_waits_would_start_it_again_and_keeps_it(waiting):
    machine = replace(MACHINE, launched_at=NOW - 16 * MINUTE)
    assert outcome(decided(Metrics(), machine, wanted=replace(NO_IMAGE, waiting=waiting))) == (
        KEEP,
        "waiting",
    )


# Accepted work


def waits(count=1, for_s=60.0, taken=0):
    return Wanted(waiting=Waiting(count, NOW - for_s if count else 0.0, taken))


def test_work_that_waits_for_it_keeps_it():
    decision = decided(wanted=waits(count=3))
    assert outcome(decision) == (KEEP, "waiting")
    assert "3 pieces" in decision.why


def test_work_that_it_has_taken_keeps_it():
    assert outcome(decided(wanted=waits(count=0, taken=2))) == (KEEP, "waiting")


def test_work_that_waited_for_hours_before_the_start_is_no_alarm_at_once():
    restarted = replace(MACHINE, launched_at=NOW - 20 * MINUTE)
    young = metrics(0.0, since=NOW - 19 * MINUTE)
    assert outcome(decided(young, restarted, wanted=waits(for_s=9 * HOUR))) == (KEEP, "waiting")


def test_work_that_it_did_not_take_for_an_hour_is_an_alarm_and_no_stop():
    decision = decided(wanted=waits(for_s=HOUR))
    assert outcome(decision) == (ALARM, "waiting")
    assert "intake" in decision.why


def test_work_that_waits_while_it_does_other_is_no_alarm():
    assert outcome(decided(wanted=waits(for_s=9 * HOUR, taken=1))) == (KEEP, "waiting")


def test_work_that_waits_counts_before_a_hold_that_cannot_be_read():
    assert decided(hold=Hold(fault="broken"), wanted=waits()).reason == "waiting"


def test_a_busy_machine_is_busy_whatever_waits():
    assert decided(metrics(work=lambda _: 1.0), wanted=waits(for_s=9 * HOUR)).reason == "busy"


# Holds


def test_a_hold_keeps_an_idle_machine():
    decision = decided(hold=Hold(NOW + HOUR, "maria"))
    assert outcome(decision) == (KEEP, "held")
    assert "maria" in decision.why


def test_a_hold_ends_by_itself():
    assert outcome(decided(hold=Hold(NOW))) == (STOP, "idle")


def test_a_second_of_hold_is_hold():
    assert outcome(decided(hold=Hold(NOW + 1))) == (KEEP, "held")


def test_a_hold_that_cannot_be_read_holds_and_is_an_alarm():
    decision = decided(hold=Hold(fault="/skylark/hold/maria is not JSON"))
    assert outcome(decision) == (ALARM, "hold_unreadable")
    assert "/skylark/hold/maria" in decision.why


def test_a_hold_keeps_a_group_too():
    assert outcome(decided(instance=FLEET, hold=Hold(NOW + 1))) == (KEEP, "held")


def test_a_hold_written_between_two_looks_is_seen_by_the_second():
    assert decided().stops
    assert not decided(hold=Hold(NOW + HOUR, "start-gpu"), now=NOW + 1).stops


def test_work_that_came_between_two_looks_is_seen_by_the_second():
    assert decided().stops
    later = replace(IDLE, active=(*IDLE.active, Point(NOW + 1, 1.0)))
    assert outcome(decided(later, now=NOW + 2)) == (KEEP, "busy")


def test_a_start_between_two_looks_is_seen_by_the_second():
    assert decided().stops
    assert outcome(decided(instance=replace(MACHINE, launched_at=NOW), now=NOW + 1)) == (KEEP, "grace")


# States


@pytest.mark.parametrize("state", ["stopped", "stopping", "shutting-down", "terminated"])
def test_what_does_not_run_is_not_stopped(state):
    assert outcome(decided(instance=replace(MACHINE, state=state))) == (KEEP, "not_running")


def test_a_machine_that_is_starting_is_not_stopped():
    assert outcome(decided(instance=replace(MACHINE, state="pending"))) == (KEEP, "starting")


def test_a_machine_that_somebody_terminated_is_no_error():
    assert outcome(decided(instance=Instance("i-0a"))) == (KEEP, "gone")


def test_a_stopped_machine_has_no_blind_publisher():
    assert outcome(decided(Metrics(), replace(MACHINE, state="stopped"))) == (KEEP, "not_running")


def test_a_second_stop_finds_nothing_to_do():
    assert decided().stops
    assert not decided(instance=replace(MACHINE, state="stopping"), now=NOW + 1).stops


# Groups and spot


def test_of_a_group_the_desired_capacity_is_set_to_0():
    decision = decided(instance=FLEET)
    assert outcome(decision) == (EMPTY, "idle")
    assert "skylark" in decision.why


def test_a_group_that_was_emptied_is_left_alone():
    emptied = replace(FLEET, group=Group("skylark", desired=0))
    assert outcome(decided(instance=emptied)) == (KEEP, "emptied")


def test_a_group_whose_machine_was_terminated_by_hand_is_about_to_start_one():
    assert outcome(decided(instance=Instance(group=Group("skylark", desired=1)))) == (KEEP, "gone")


def test_a_group_with_a_minimum_cannot_be_emptied():
    decision = decided(instance=replace(FLEET, group=Group("skylark", desired=1, minimum=1)))
    assert outcome(decision) == (ALARM, "minimum")
    assert "set it to 0" in decision.why


def test_what_is_protected_from_being_scaled_in_stays():
    assert outcome(decided(instance=replace(FLEET, protected=True))) == (ALARM, "protected")


def test_a_one_time_spot_request_cannot_be_stopped_and_that_is_said():
    decision = decided(instance=replace(MACHINE, spot="one-time"))
    assert outcome(decision) == (ALARM, "one_time_spot")
    assert "terminate" in decision.why


def test_a_persistent_spot_request_can_be_stopped():
    assert outcome(decided(instance=replace(MACHINE, spot="persistent"))) == (STOP, "idle")


def test_a_spot_instance_of_a_group_goes_with_its_group():
    assert outcome(decided(instance=replace(FLEET, spot="one-time"))) == (EMPTY, "idle")


def test_a_one_time_spot_request_that_is_not_idle_is_no_alarm():
    spot = replace(MACHINE, spot="one-time")
    assert outcome(decided(metrics(NOW - 60), spot)) == (KEEP, "recent")


def test_a_decision_changes_nothing_that_it_is_given():
    before = repr(IDLE)
    decided()
    assert repr(IDLE) == before
