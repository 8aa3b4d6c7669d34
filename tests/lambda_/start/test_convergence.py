"""Thousands of calls that meet each other, end half way, and are met by hands: no state needs a person."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.routes import Lead
from appliance.starts import State
from tests.lambda_.start.world import a_wild_hour

STORIES = range(150)


@pytest.fixture(scope="module")
def worlds():
    found = [a_wild_hour(seed) for seed in STORIES]
    for world in found:
        world.calm_down(for_s=900)
    return found


def test_what_is_told_is_what_is_there(worlds):
    for seed, world in enumerate(worlds):
        start, state = world.starts.read(), world.machine.seen().state
        led = set(world.routes.led.values())
        ready = (start.state, state, led) == (State.READY, "running", {Lead.MACHINE})
        off = start.state in (State.OFF, State.FAILED) and (state, led) == ("stopped", {Lead.RECEPTION})
        assert ready or off, (seed, start, state, led)


def test_all_of_it_was_told(worlds):
    for seed, world in enumerate(worlds):
        start = world.starts.read()
        assert (start.entries, start.notice) == ((), ""), seed


def test_whoever_wants_the_machine_has_it_unless_a_hand_stopped_it(worlds):
    asked = 0
    for seed, world in enumerate(worlds):
        if world.wished_at > world.ended_by_hand_at and world.wanted_until > world.calm_at:
            asked += 1
            assert world.starts.read().state == State.READY, (seed, world.starts.read())
    assert asked > 10


def test_the_stories_are_not_all_the_same(worlds):
    ends = {(world.starts.read().state, world.machine.seen().state) for world in worlds}
    assert {(State.READY, "running"), (State.OFF, "stopped")} <= ends
    assert sum(world.machine.starts for world in worlds) > 3 * len(worlds)
    assert sum(entry["event"] == "stopped" for world in worlds for entry in world.entries()) > len(worlds)


def test_work_that_waits_has_the_machine_in_the_end():
    for seed in STORIES[::5]:
        world = a_wild_hour(seed)
        world.wait_for_work()
        world.calm_down(for_s=3600)
        assert (world.starts.read().state, world.machine.seen().state) == (State.READY, "running"), seed
