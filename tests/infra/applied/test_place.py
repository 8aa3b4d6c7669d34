"""A place of the machine, as a release tells it: started once, and ended when its queue is empty."""

from __future__ import annotations

import json

import pytest

from tests.infra.applied.machine import machine as machine_of_terraform

STOPPED = "stop skylark@blue"
ACTIVE = "0"
RUNNING, QUEUED, DONE = ([{"status": status}] for status in ("running", "queued", "done"))


@pytest.fixture
def image(applied):
    return f"{applied.speech['repository_url']}@sha256:{64 * 'a'}"


@pytest.fixture
def machine(tmp_path, applied):
    with machine_of_terraform(tmp_path, applied) as made:
        yield made


def queue(machine, *looks: object) -> None:
    machine.say("queue", "".join(f"{json.dumps(look)}\n" for look in looks))


@pytest.mark.parametrize("busy", [RUNNING, QUEUED], ids=["running", "queued"])
def test_a_place_that_is_drained_ends_once_its_queue_is_empty(machine, busy):
    queue(machine, busy, DONE)
    assert machine.run("skylark-place", "blue", "--drain").returncode == 0
    looks = [call for call in machine.calls("docker") if call == "exec skylark-blue skylark queue --json"]
    assert len(looks) == 2
    assert machine.calls("systemctl")[-1] == STOPPED


def test_a_place_that_cannot_be_asked_for_its_queue_is_ended(machine):
    assert machine.run("skylark-place", "blue", "--drain").returncode == 0
    assert machine.calls("systemctl")[-1] == STOPPED


def test_a_place_that_runs_the_image_already_is_left_alone(machine, image):
    assert machine.run("skylark-place", "green", image).returncode == 0
    machine.say("active", ACTIVE)
    machine.say("calls", "")
    assert machine.run("skylark-place", "green", image).returncode == 0
    assert machine.calls("systemctl") == ["is-active --quiet skylark@green"]
    other = image[:-1] + "b"
    assert machine.run("skylark-place", "green", other).returncode == 0
    assert machine.calls("systemctl")[-1] == "restart --no-block skylark@green"
