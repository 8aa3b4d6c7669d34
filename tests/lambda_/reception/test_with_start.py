"""Reception and the function that starts the machine, together: work that waits, and starts that fail."""

from __future__ import annotations

import pytest

from appliance.routes import Lead
from tests.lambda_.reception.door import Door
from tests.lambda_.start.running import NO_CAPACITY, Starting, an_instance_that_is_off


@pytest.fixture
def off(aws) -> Starting:
    return an_instance_that_is_off(aws)


@pytest.fixture
def door(off) -> Door:
    """Whatever it asks of the function that starts the machine is done."""
    made = Door(off.cloud)
    made.after_start = lambda told: off.invoke(**told)
    return made


def test_work_starts_the_machine_and_its_status_tells_how_far_that_is(off, door):
    accepted = door.later()
    assert accepted.body["machine"]["state"] == "starting"
    assert off.record().asked_by == "maria"
    assert off.record().why == "accepted work"
    off.cloud.now += 30
    off.boots(boot_at=off.cloud.now, image_at=off.cloud.now)
    off.tick()
    machine = door.ask("GET", f"/accepted/{accepted.body['id']}").body["machine"]
    assert (machine["state"], machine["stage"]) == ("starting", "model")
    assert machine["left_s"] > 0
    off.boots_whole()
    assert off.tick()["state"] == "ready"
    assert off.leads() == {Lead.MACHINE}
    assert list(door.items()) == [accepted.body["id"]], "and there the machine finds it"


def test_what_wants_an_answer_at_once_starts_it_too_and_is_told_when_to_come(off, door):
    answer = door.ask("POST", "/v1/tts", {"text": "x"})
    assert (answer.status, answer.body["error"]["machine"]["state"]) == (503, "starting")
    assert off.record().why == "POST /v1/tts"


def test_what_it_says_of_who_asks_and_why_is_never_too_long_for_the_start(off, door):
    answer = door.ask("POST", "/" + "x" * 2_000, {"text": "x"})
    assert (answer.status, answer.body["error"]["machine"]["state"]) == (503, "starting")


def test_nothing_is_lost_when_the_start_fails_ten_times(off, door):
    off.refuse_start(NO_CAPACITY, 10)
    ids = {door.later().body["id"]}
    for _ in range(40):
        off.tick(after_s=600)
        if off.cloud.state() == "running":
            break
        ids.add(door.later(Idempotency_Key=str(len(ids))).body["id"])
        assert set(door.items()) == ids
    assert off.cloud.state() == "running"
    assert off.cloud.called.count("ec2.StartInstances") == 11
    assert {item["status"] for item in door.items().values()} == {"waiting"}
    assert set(door.objects()) == {f"accepted/{id}" for id in ids}


def test_work_starts_the_machine_again_after_a_start_that_was_given_up(off, door):
    off.refuse_start(NO_CAPACITY, 10_000)
    id = door.later().body["id"]
    states = [off.tick(after_s=900)["state"] for _ in range(9)]
    assert states[-1] == "failed"
    told = door.ask("GET", f"/accepted/{id}").body
    assert (told["status"], told["machine"]["state"]) == ("waiting", "failed")
    off.refuse_start(NO_CAPACITY, 0)
    states = [off.tick(after_s=900)["state"] for _ in range(3)]
    assert "starting" in states
    assert off.cloud.state() == "running"
    assert list(door.items()) == [id]


def test_a_start_that_nobody_could_be_asked_for_comes_with_the_next_look(off, door):
    door.after_start = lambda _: None
    door.later()
    assert off.cloud.state() == "stopped"
    off.tick(after_s=60)
    assert off.cloud.state() == "running"


def test_what_was_announced_and_never_came_starts_nothing(off, door):
    door.ask("POST", "/accepted", {"path": "/transcribe", "bytes": 4})
    for _ in range(5):
        off.tick(after_s=60)
    assert off.cloud.state() == "stopped"
