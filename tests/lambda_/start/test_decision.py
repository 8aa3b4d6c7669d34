"""What is done next for a machine that somebody wants: one sentence each."""

from __future__ import annotations

from dataclasses import replace

from appliance.machine import Refusal
from appliance.routes import Lead
from appliance.starts import Boot, Fault, Start, State
from start.decision import ask
from start.seen import Do
from tests.lambda_.start.a_start import (
    ASKED,
    EMPTY,
    FILLING,
    GOT,
    ILL,
    IN_STOP,
    LED,
    MEMBER,
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

# Nothing in hand


def test_an_appliance_that_is_new_rests():
    assert rests(Start(), seen(OFF))


def test_a_machine_that_is_off_rests():
    assert rests(STOPPED, seen(OFF))
    assert rests(STOPPED, seen(EMPTY))


def test_a_machine_that_serves_rests():
    assert rests(READY, SERVING)


def test_rules_that_lead_to_a_machine_that_is_off_are_led_to_reception():
    _, action = step(STOPPED, seen(OFF, leads=LED))
    assert (action.do, action.services) == (Do.ROUTE, frozenset())


def test_rules_that_were_left_half_way_are_led_to_reception():
    assert does(STOPPED, seen(OFF, leads={"tts": Lead.PARTLY})) == Do.ROUTE


def test_an_appliance_without_rules_has_none_to_switch():
    assert rests(STOPPED, seen(OFF, leads={}))


def test_a_machine_that_somebody_started_by_hand_is_taken_up():
    after = becomes(STOPPED, seen(UP))
    assert (after.state, after.asked_by, after.asked_at) == (State.STARTING, "somebody", UP.launched_at)
    assert events(after) == ["start_asked"]


def test_a_machine_that_was_just_stopped_and_is_still_seen_running_is_not_taken_up():
    just = replace(STOPPED, stopped_at=NOW - 5, stopping_at=NOW - 6)
    assert rests(just, seen(UP))


def test_a_machine_that_runs_on_for_minutes_after_it_was_stopped_is_taken_up():
    stopped = replace(STOPPED, stopped_at=UP.launched_at + 1)
    assert rests(stopped, seen(UP), now=NOW - 10)
    assert becomes(stopped, seen(UP), now=NOW + 60).state == State.STARTING


# Capacity


def test_a_start_starts_the_machine():
    after, action = step(ASKED, seen(OFF))
    assert action.do == Do.START
    assert after.next_attempt_at > NOW


def test_a_machine_that_was_told_to_start_is_not_told_again_at_once():
    after, _ = step(ASKED, seen(OFF))
    assert rests(after, seen(OFF), now=NOW + 1)
    assert does(after, seen(OFF), now=NOW + 30) == Do.START


def test_a_start_of_a_machine_that_still_stops_waits_until_it_has():
    assert rests(ASKED, seen(STOPPING))
    assert does(ASKED, seen(replace(STOPPING, state="stopped"))) == Do.START


def test_a_group_is_given_a_machine_by_its_desired_capacity():
    after, action = step(ASKED, seen(EMPTY))
    assert action.do == Do.START
    assert rests(after, seen(FILLING), now=NOW + 1)


def test_a_groups_former_machine_that_is_leaving_is_none_that_it_got():
    leaving = replace(MEMBER, state="stopping", launched_at=NOW - 9000)
    assert rests(ASKED, seen(leaving))


def test_the_first_type_of_the_list_is_preferred():
    _, action = step(ASKED, seen(replace(OFF, type="g6.xlarge"), types=TYPES))
    assert (action.do, action.type) == (Do.CHANGE_TYPE, "g5.xlarge")


def test_a_type_that_had_no_capacity_is_followed_by_the_next_one():
    refused = replace(ASKED, refused_types=("g5.xlarge",), attempts=1)
    _, action = step(refused, seen(OFF, types=TYPES))
    assert (action.do, action.type) == (Do.CHANGE_TYPE, "g6.xlarge")
    assert does(refused, seen(replace(OFF, type="g6.xlarge"), types=TYPES)) == Do.START


def test_without_a_list_the_type_is_left_as_it_is():
    assert does(replace(ASKED, refused_types=("g5.xlarge",)), seen(OFF)) == Do.START


def test_an_attempt_waits_for_its_time():
    later = replace(ASKED, next_attempt_at=NOW + 30, fault=Fault(NO_CAPACITY, "none"))
    assert rests(later, seen(OFF))
    assert does(later, seen(OFF), now=NOW + 30) == Do.START


def test_what_a_group_was_refused_is_told_while_it_tries_on():
    refusals = tuple(Refusal(NOW - at, NO_CAPACITY, "no g5.xlarge") for at in (10, 40))
    after = becomes(ASKED, seen(FILLING, refusals=refusals))
    assert (after.state, after.fault, after.attempts) == (
        State.STARTING,
        Fault(NO_CAPACITY, "no g5.xlarge"),
        2,
    )
    assert rests(after, seen(FILLING, refusals=refusals))


def test_a_machine_that_is_pending_has_ended_the_first_stage():
    after = becomes(ASKED, seen(replace(UP, state="pending")))
    assert (after.capacity_at, after.instance, after.type) == (UP.launched_at, "i-0a", "g5.xlarge")
    assert rests(after, seen(UP))


def test_a_fault_is_over_once_there_is_a_machine():
    after = becomes(replace(ASKED, fault=Fault(NO_CAPACITY, "none")), seen(UP))
    assert after.fault is None


def test_the_run_that_is_just_being_stopped_is_not_the_one_that_was_asked_for():
    asked = ask(IN_STOP, seen(UP), "anna", "a talk", NOW)
    asked = replace(asked, entries=())
    assert rests(asked, seen(UP, SPOKEN, healthy=WELL))
    assert rests(asked, seen(STOPPING))
    assert does(asked, seen(OFF)) == Do.START
    again = replace(UP, launched_at=NOW + 60)
    assert becomes(asked, seen(again), now=NOW + 70).capacity_at == NOW + 60


# Stages


def test_the_stages_end_as_the_machine_says():
    after = becomes(GOT, seen(UP, Boot(NOW - 250, NOW - 200)))
    assert (after.boot_at, after.image_at, after.model_at) == (NOW - 250, NOW - 200, None)


def test_what_is_wrong_on_the_machine_is_told_and_forgotten_once_it_is_right():
    broken = becomes(GOT, seen(UP, Boot(NOW - 250, fault="the image cannot be pulled")))
    assert broken.fault == Fault("boot", "the image cannot be pulled")
    assert becomes(broken, seen(UP, Boot(NOW - 250, NOW - 1))).fault is None


def test_the_rules_wait_until_it_has_spoken():
    mute = replace(SPOKE, audio_at=None, healthy_at=NOW)
    assert rests(mute, seen(UP, replace(SPOKEN, audio_at=None), healthy=WELL))


def test_the_rules_are_switched_once_it_has_spoken_and_its_targets_are_healthy():
    _, action = step(SPOKE, seen(UP, SPOKEN, healthy=WELL))
    assert (action.do, action.services) == (Do.ROUTE, frozenset(WELL))


def test_a_service_that_does_not_answer_yet_is_not_led_to():
    some = {"tts": True, "whisperx": False, "jobs": True}
    start = replace(SPOKE, healthy_at=None)
    _, action = step(start, seen(UP, SPOKEN, healthy=some))
    assert (action.do, action.services) == (Do.ROUTE, frozenset({"tts", "jobs"}))
    led = {"tts": Lead.MACHINE, "whisperx": Lead.RECEPTION, "jobs": Lead.MACHINE}
    assert rests(start, seen(UP, SPOKEN, led, some))


def test_it_is_ready_once_every_service_is_led_to_it():
    after = becomes(SPOKE, SERVING)
    assert (after.state, after.ready_at, events(after)) == (State.READY, NOW, ["start_ready"])
    assert after.entries[0]["seconds"] == {"capacity": 30, "boot": 50, "image": 50, "model": 100, "audio": 50}


def test_an_appliance_without_rules_is_ready_once_it_has_spoken():
    assert becomes(replace(SPOKE, healthy_at=None), seen(UP, SPOKEN, leads={})).state == State.READY


def test_a_machine_whose_services_answer_serves_though_it_never_said_that_it_has_spoken():
    mute = replace(SPOKE, audio_at=None, healthy_at=NOW - 119)
    boot = replace(SPOKEN, audio_at=None)
    assert rests(mute, seen(UP, boot, healthy=WELL))
    assert does(mute, seen(UP, boot, healthy=WELL), now=NOW + 1) == Do.ROUTE
    assert becomes(mute, seen(UP, boot, LED, WELL), now=NOW + 1).state == State.READY


def test_the_time_begins_anew_where_a_service_falls_silent():
    after = becomes(replace(SPOKE, audio_at=None), seen(UP, replace(SPOKEN, audio_at=None), healthy=ILL))
    assert after.healthy_at is None


def test_a_machine_that_was_found_running_and_serves_is_ready_at_once():
    start, what = STOPPED, SERVING
    for _ in range(4):
        start, action = step(replace(start, entries=()), what)
        assert action.do == Do.NOTHING
    assert (start.state, start.asked_by) == (State.READY, "somebody")


# Serving


def test_a_service_that_falls_silent_is_led_to_reception_and_the_others_are_served():
    _, action = step(READY, seen(UP, SPOKEN, LED, WELL | {"whisperx": False}))
    assert (action.do, action.services) == (Do.ROUTE, frozenset({"tts", "jobs"}))


def test_a_machine_of_which_nothing_answers_is_led_away_from_and_back():
    _, action = step(READY, seen(UP, SPOKEN, LED, ILL))
    assert (action.do, action.services) == (Do.ROUTE, frozenset())
    assert rests(READY, seen(UP, SPOKEN, healthy=ILL))
    _, action = step(READY, seen(UP, SPOKEN, healthy=WELL))
    assert (action.do, action.services) == (Do.ROUTE, frozenset(WELL))


def test_rules_that_a_release_leads_are_left_to_it():
    for what in (seen(UP, SPOKEN, None, WELL), seen(UP, SPOKEN, LED, ILL)):
        assert does(READY, what) == Do.ROUTE
        assert does(READY, replace(what, rules_held=True)) == Do.NOTHING


def test_rules_that_were_left_half_way_are_led_to_a_machine_that_answers():
    _, action = step(READY, seen(UP, SPOKEN, LED | {"tts": Lead.PARTLY}, WELL))
    assert action.services == frozenset(WELL)
