"""What becomes of a start when somebody asks for one: one sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.starts import State
from start.decision import ask
from start.seen import Do
from tests.lambda_.start.a_start import (
    ASKED,
    FAILED,
    GONE,
    GOT,
    IN_STOP,
    NOW,
    OFF,
    READY,
    SERVING,
    STOPPED,
    STOPPING,
    becomes,
    does,
    events,
    seen,
)

# Asked


def test_the_first_who_asks_starts_it():
    start = ask(STOPPED, seen(OFF), "maria", "a demonstration", NOW)
    assert (start.state, start.asked_by, start.why) == (State.STARTING, "maria", "a demonstration")
    assert events(start) == ["start_asked"]


def test_the_second_who_asks_joins():
    joined = ask(ASKED, seen(OFF), "anna", "a talk", NOW)
    assert (joined.asked_by, joined.asked_at, joined.wished_at) == ("maria", ASKED.asked_at, NOW)
    assert events(joined) == []


def test_who_asks_for_a_machine_that_is_ready_is_known_to_want_it():
    joined = ask(READY, SERVING, "anna", "a talk", NOW)
    assert (joined.state, joined.wished_at) == (State.READY, NOW)
    assert joined != READY


def test_who_asks_while_it_stops_gets_it_once_it_has_stopped():
    asked = ask(IN_STOP, seen(STOPPING), "anna", "a talk", NOW)
    assert (asked.state, asked.asked_by) == (State.STARTING, "anna")
    assert events(asked) == ["stopped", "start_asked"]


def test_who_asks_right_after_a_failure_is_told_of_it():
    just = replace(FAILED, failed_at=NOW - 59)
    assert ask(just, seen(OFF), "anna", "", NOW) == just
    assert ask(just, seen(OFF), "anna", "", NOW + 1).state == State.STARTING


def test_who_asks_again_after_somebody_stopped_it_while_it_started_starts_it():
    stopped = becomes(GOT, seen(STOPPING))
    assert ask(stopped, seen(STOPPING), "anna", "", NOW + 1).state == State.STARTING


@pytest.mark.parametrize("start", [GOT, READY])
def test_who_asks_for_a_machine_that_somebody_just_stopped_starts_it(start):
    asked = ask(start, seen(STOPPING), "anna", "", NOW)
    assert (asked.state, asked.asked_by, asked.capacity_at) == (State.STARTING, "anna", None)
    assert events(asked) == ["stopped", "start_asked"]
    assert asked.entries[0]["at"] < asked.entries[1]["at"]
    assert does(replace(asked, entries=()), seen(OFF)) == Do.START


def test_who_asks_for_a_machine_that_was_just_started_and_is_not_seen_to_run_joins():
    just = replace(GOT, capacity_at=NOW - 20)
    assert ask(just, seen(OFF), "anna", "", NOW).asked_by == "maria"


def test_a_start_takes_nothing_over_from_the_one_before_but_what_is_to_be_told():
    failed = becomes(ASKED, seen(GONE))
    start = ask(replace(failed, failed_at=NOW - 3600), seen(OFF), "anna", "", NOW)
    assert (start.fault, start.attempts, start.notice) == (None, 0, "terminated")
    assert events(start) == ["start_failed", "start_asked"]
