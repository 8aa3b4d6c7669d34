"""How far a start is, and how long it takes yet."""

from __future__ import annotations

from dataclasses import replace

from appliance.changes import begun
from appliance.progress import COUNTED, USUAL_S, current, left_s, stages, usual
from appliance.starts import STAGES, Fault, Start, State

NOW = 1_900_000_000.0
ASKED = begun(Start(), "maria", "a demonstration", NOW - 100)
BOOTED = replace(ASKED, capacity_at=NOW - 80, boot_at=NOW - 30)


def ready(**seconds):
    return {"event": "start_ready", "seconds": seconds}


def test_where_no_start_has_been_yet_something_is_usual():
    assert usual([]) == USUAL_S
    assert set(USUAL_S) == set(STAGES)


def test_the_median_of_the_last_ten_is_usual():
    entries = [ready(boot=float(n)) for n in range(COUNTED)] + [ready(boot=1e6)] * 50
    assert usual([{"event": "stopped"}, *entries])["boot"] == 4.5


def test_what_a_start_does_not_say_of_a_stage_is_not_counted():
    entries = [ready(boot=10.0), ready(boot="soon"), {"event": "start_ready"}]
    assert usual(entries) == USUAL_S | {"boot": 10.0}


def test_the_first_stage_without_an_end_runs():
    found = stages(BOOTED, USUAL_S, NOW)
    assert [(each.state, each.seconds) for each in found] == [
        ("done", 20),
        ("done", 50),
        ("running", 30),
        ("waiting", None),
        ("waiting", None),
    ]
    assert current(BOOTED) == "image"
    assert left_s(BOOTED, USUAL_S, NOW) == 30 + 60 + 15


def test_a_stage_that_takes_longer_than_usual_is_about_to_end():
    assert left_s(BOOTED, USUAL_S, NOW + 900) == 5 + 60 + 15


def test_what_is_refused_takes_at_least_until_the_next_attempt():
    refused = replace(ASKED, next_attempt_at=NOW + 300, fault=Fault("InsufficientInstanceCapacity", "none"))
    assert left_s(refused, USUAL_S, NOW) == 300 + 5 + 45 + 60 + 60 + 15


def test_a_machine_that_said_of_one_stage_only_is_past_those_before():
    skipped = replace(BOOTED, model_at=NOW - 10)
    assert current(skipped) == "image"
    assert stages(skipped, USUAL_S, NOW)[3].seconds is None


def test_one_that_waits_for_its_services_is_in_the_last_stage():
    spoke = replace(BOOTED, image_at=NOW - 20, model_at=NOW - 10, audio_at=NOW - 5)
    assert current(spoke) == "audio"
    assert left_s(spoke, USUAL_S, NOW) == 10


def test_of_a_machine_that_is_off_all_stages_are_to_come_and_nothing_is_left():
    off = replace(BOOTED, state=State.OFF, ready_at=NOW)
    assert {each.state for each in stages(off, USUAL_S, NOW)} == {"waiting"}
    assert (current(off), left_s(off, USUAL_S, NOW)) == (None, None)


def test_of_a_machine_that_is_ready_all_are_done_though_one_was_not_told():
    mute = replace(BOOTED, state=State.READY, image_at=NOW - 20, model_at=NOW - 10, ready_at=NOW)
    assert [each.state for each in stages(mute, USUAL_S, NOW)] == ["done"] * 5
    assert stages(mute, USUAL_S, NOW)[4].seconds is None


def test_a_start_that_failed_says_how_far_it_came():
    failed = replace(BOOTED, state=State.FAILED)
    assert [each.state for each in stages(failed, USUAL_S, NOW)] == ["done", "done"] + ["waiting"] * 3
