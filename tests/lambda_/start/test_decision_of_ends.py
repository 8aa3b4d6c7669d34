"""What ends a start or a run, and what is told of it: one sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.starts import Boot, Fault, State
from start.decision import ask
from start.seen import Do
from tests.lambda_.start.a_start import (
    ASKED,
    EMPTY,
    FAILED,
    FILLING,
    GONE,
    GOT,
    ILL,
    IN_STOP,
    LED,
    NO_CAPACITY,
    NOW,
    OFF,
    READY,
    SERVING,
    SPOKE,
    SPOKEN,
    STOPPED,
    STOPPING,
    TYPES,
    UP,
    WELL,
    becomes,
    does,
    events,
    rests,
    seen,
    step,
)

# Stopped


def test_a_stop_has_ended_once_the_machine_is_off():
    for instance in (STOPPING, OFF, EMPTY):
        after = becomes(IN_STOP, seen(instance))
        assert (after.state, after.stopped_by, events(after)) == (State.OFF, "auto-stop", ["stopped"])
        assert after.entries[0]["ran_s"] == 300


def test_a_stop_in_hand_leads_nobody_to_the_machine():
    _, action = step(IN_STOP, SERVING)
    assert (action.do, action.services) == (Do.ROUTE, frozenset())
    assert rests(IN_STOP, seen(UP, SPOKEN, healthy=WELL))


def test_a_stop_that_did_not_come_about_is_forgotten_and_the_machine_is_served_again():
    what = seen(UP, SPOKEN, healthy=WELL)
    after = becomes(IN_STOP, what, now=NOW + 300)
    assert after.state == State.READY
    assert does(after, what, now=NOW + 300) == Do.ROUTE


def test_a_machine_that_somebody_stopped_by_hand_is_off():
    after = becomes(READY, seen(STOPPING, leads=LED), now=NOW + 60)
    assert (after.state, after.stopped_by, events(after)) == (State.OFF, "somebody", ["stopped"])


def test_a_spot_instance_that_aws_takes_away_is_an_interruption():
    taken = replace(OFF, reason="Server.SpotInstanceShutdown")
    after = becomes(READY, seen(taken), now=NOW + 60)
    assert (after.state, after.stopped_by, events(after)) == (State.OFF, "aws", ["interruption"])


def test_a_machine_that_was_stopped_and_started_between_two_looks_starts_once_more():
    again = replace(UP, launched_at=NOW - 5)
    after = becomes(READY, seen(again, SPOKEN, LED, WELL))
    assert (after.state, after.capacity_at, events(after)) == (
        State.STARTING,
        None,
        ["stopped", "start_asked"],
    )
    after = becomes(replace(after, entries=()), seen(again, leads=LED, healthy=WELL))
    assert after.launched_at == again.launched_at


def test_the_machine_that_a_group_makes_for_one_that_was_terminated_starts_once_more():
    after = becomes(READY, seen(FILLING), now=NOW + 60)
    assert (after.state, after.asked_by, after.capacity_at) == (State.STARTING, "maria", None)
    assert rests(replace(after, entries=()), seen(FILLING), now=NOW + 61)


def test_a_machine_that_is_seen_off_right_after_it_was_seen_running_is_looked_at_again():
    just = replace(GOT, capacity_at=NOW - 20)
    assert rests(just, seen(replace(STOPPING, state="stopped")))


def test_a_machine_that_somebody_stops_while_it_starts_has_failed_and_says_so():
    after = becomes(GOT, seen(STOPPING))
    assert (after.state, after.fault.code) == (State.FAILED, "stopped")
    assert "ask again" in after.fault.message
    assert events(after) == ["stopped", "start_failed"]


def test_a_machine_that_somebody_stops_and_another_has_asked_for_meanwhile_starts_once_more():
    joined = replace(GOT, wished_at=NOW - 100)
    after = becomes(joined, seen(STOPPING))
    assert (after.state, after.capacity_at, after.asked_at) == (State.STARTING, None, GOT.asked_at)
    assert after.deadline_at == GOT.deadline_at
    assert events(after) == ["stopped", "start_asked"]


def test_a_machine_that_aws_takes_back_while_it_starts_is_started_again():
    back = replace(OFF, reason=f"Server.{NO_CAPACITY}")
    after = becomes(GOT, seen(back, types=TYPES))
    assert (after.state, after.attempts, after.refused_types) == (State.STARTING, 1, ("g5.xlarge",))
    assert (after.capacity_at, after.fault.code) == (None, NO_CAPACITY)


# Gone


@pytest.mark.parametrize("start", [ASKED, GOT, READY])
def test_an_instance_that_was_terminated_by_hand_needs_a_person_who_is_told_what_to_do(start):
    after = becomes(start, seen(GONE, leads=LED))
    assert (after.state, after.notice) == (State.FAILED, "terminated")
    assert "terraform apply" in after.notice_why


def test_an_instance_that_was_terminated_is_told_once():
    failed = replace(becomes(ASKED, seen(GONE)), entries=(), notice="", claimed_at=0.0)
    assert rests(failed, seen(GONE, waiting=3), now=NOW + 7200)
    assert ask(failed, seen(GONE), "anna", "", NOW + 7200) == failed


def test_a_machine_that_is_gone_is_told_where_work_waits_for_it():
    assert becomes(STOPPED, seen(GONE, waiting=1)).notice == "terminated"
    assert rests(STOPPED, seen(GONE))


def test_in_a_fleet_one_that_was_terminated_is_started_anew():
    assert does(ASKED, seen(EMPTY)) == Do.START


def test_a_machine_that_was_made_anew_is_taken_up():
    failed = replace(FAILED, fault=Fault("terminated", "gone"), failed_at=NOW - 600)
    new = replace(UP, id="i-0b")
    assert becomes(failed, seen(new)).state == State.STARTING


# Given up


def test_a_start_is_given_up_after_two_hours_and_a_person_is_told():
    late = replace(ASKED, fault=Fault(NO_CAPACITY, "no g5.xlarge"), next_attempt_at=NOW + 9000)
    assert rests(late, seen(OFF), now=late.asked_at + 7199)
    after = becomes(late, seen(OFF), now=late.asked_at + 7200)
    assert (after.state, after.notice, events(after)) == (State.FAILED, "given_up", ["start_failed"])
    assert NO_CAPACITY in after.notice_why


def test_who_gives_up_says_how_far_it_came():
    deaf = replace(SPOKE, model_at=None, audio_at=None)
    after = becomes(deaf, seen(UP, Boot(NOW - 250, NOW - 200), healthy=ILL), now=NOW + 7200)
    assert "no further than to model" in after.fault.message
    mute = becomes(SPOKE, seen(UP, SPOKEN, LED, WELL | {"jobs": False}), now=NOW + 7200)
    assert "jobs do not answer" in mute.fault.message
    assert "i-0a runs on, and costs" in mute.fault.message


def test_a_group_that_would_try_on_is_emptied():
    assert does(FAILED, seen(FILLING)) == Do.EMPTY
    assert rests(FAILED, seen(EMPTY))


def test_a_start_that_was_given_up_and_answers_after_all_is_ready():
    failed = replace(FAILED, failed_at=NOW - 60)
    assert rests(failed, seen(UP, SPOKEN, healthy=ILL))
    assert becomes(failed, seen(UP, SPOKEN, healthy=WELL)).state == State.STARTING


def test_a_service_of_a_machine_that_was_given_up_is_served_where_it_answers():
    _, action = step(replace(FAILED, failed_at=NOW - 60), seen(UP, SPOKEN, healthy=ILL | {"tts": True}))
    assert action.services == frozenset({"tts"})


# Waiting work


def test_work_that_waits_starts_a_machine_that_is_off():
    after = becomes(STOPPED, seen(OFF, waiting=2))
    assert (after.state, after.asked_by) == (State.STARTING, "reception")
    assert "2 pieces" in after.why


def test_work_that_waits_starts_it_anew_half_an_hour_after_it_failed():
    assert rests(FAILED, seen(OFF, waiting=1))
    assert becomes(FAILED, seen(OFF, waiting=1), now=FAILED.failed_at + 1800).state == State.STARTING


def test_without_work_a_start_that_failed_is_left():
    assert rests(FAILED, seen(OFF), now=NOW + 90_000)


# Told


def test_what_happened_is_told_by_one_function_at_a_time():
    failed = becomes(ASKED, seen(GONE))
    claimed, action = step(failed, seen(GONE))
    assert (action.do, claimed.claimed_at) == (Do.TELL, NOW)
    assert rests(claimed, seen(GONE), now=NOW + 59)
    assert does(claimed, seen(GONE), now=NOW + 60) == Do.TELL


def test_the_same_is_told_to_a_person_once_an_hour_though_it_happens_more_often():
    again = replace(FAILED, notice="given_up", notice_why="x", told="given_up", told_at=NOW - 3599)
    again = replace(again, entries=({"event": "start_failed", "at": NOW},))
    claimed, action = step(again, seen(OFF))
    assert (action.do, claimed.notice, len(claimed.entries)) == (Do.TELL, "", 1)
    assert step(again, seen(OFF), now=NOW + 1)[0].notice == "given_up"
