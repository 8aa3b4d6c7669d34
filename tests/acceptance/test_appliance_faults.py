"""What a client of the doors sees when a process behind them is killed, or when it leaves itself."""

from __future__ import annotations

import base64
import io
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import soundfile

from tests.acceptance.processes import alive, eventually, running_appliance

PACED = {"texts": ["a paced text"], "model": "fake/paced"}  # five seconds of work


ONE_MODEL = {"SKYLARK_ENGINE__MAX_MODELS": "1"}


@pytest.fixture(scope="module")
def running():
    with running_appliance(**ONE_MODEL) as appliance:
        yield appliance


@pytest.fixture
def appliance(running):
    """Whole again and idle, whatever the test before has killed."""
    running.wait_until_ready()
    eventually(lambda: not (running.jobs.queue()["running"] or running.jobs.queue()["queued"]), "it is idle")
    return running


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def speak(appliance, body: dict) -> requests.Response:
    return appliance.post("tts", "/generate_batch", json=body)


def seconds(reply: requests.Response) -> list[float]:
    assert reply.status_code == 200, reply.text
    files = [base64.b64decode(result["audio"]) for result in reply.json()["results"]]
    return [soundfile.info(io.BytesIO(file)).duration for file in files]


def running_job(appliance) -> str:
    eventually(lambda: appliance.jobs.queue()["active"], "a job runs")
    return appliance.jobs.queue()["active"]["id"]


def test_the_client_gets_its_audio_although_the_runner_was_killed(appliance, pool):
    waiting = pool.submit(speak, appliance, PACED)
    running_job(appliance)
    (runner,) = appliance.named("servers.runner")
    runner.kill()
    assert seconds(waiting.result()) == [pytest.approx(10.0)]


def test_every_client_gets_its_audio_although_the_engine_was_killed(appliance, pool):
    waiting = [pool.submit(speak, appliance, PACED | {"texts": ["a", "b"]})]
    running_job(appliance)  # the others come after it
    waiting += [pool.submit(speak, appliance, {"texts": [f"number {i}"]}) for i in range(4)]
    eventually(lambda: len(appliance.jobs.queue()["queued"]) == 5, "five jobs are queued")
    for process in appliance.named("servers.engine"):
        process.kill()
    first, *others = (seconds(future.result()) for future in waiting)
    assert first == [pytest.approx(10.0)] * 2
    assert all(0.3 < duration < 3 for (duration,) in others)


def test_the_job_of_a_client_that_left_is_cancelled_and_the_next_one_starts(appliance, pool):
    body = b'{"texts": ["a"], "model": "fake/paced"}'
    with socket.create_connection(("127.0.0.1", appliance.ports["tts"])) as client:
        client.sendall(b"POST /generate_batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        client.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        job_id = running_job(appliance)
        waiting = pool.submit(speak, appliance, {"texts": ["next"], "model": "fake/two"})
        eventually(lambda: appliance.jobs.queue()["queued"], "the next job waits")
    assert seconds(waiting.result()) == [pytest.approx(0.3)]
    assert appliance.jobs.get(job_id)["status"] == "cancelled"


def test_the_job_of_a_client_that_named_it_goes_on_and_is_his_when_he_asks_again(appliance, pool):
    body, key = b'{"texts": ["a"], "model": "fake/paced"}', {"Idempotency-Key": "mine"}
    with socket.create_connection(("127.0.0.1", appliance.ports["tts"])) as client:
        client.sendall(b"POST /generate_batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        client.sendall(b"Idempotency-Key: mine\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        job_id = running_job(appliance)
    other = appliance.post("tts", "/generate_batch", json=PACED | {"texts": ["b"]}, headers=key)
    assert (other.status_code, other.json()["error"]["param"]) == (409, "Idempotency-Key")
    again = appliance.post("tts", "/generate_batch", json=PACED | {"texts": ["a"]}, headers=key)
    assert seconds(again) == [pytest.approx(10.0)]
    assert again.json()["job_ids"] == [job_id]
    assert appliance.jobs.get(job_id)["attempt"] == 1


def test_sigterm_answers_what_is_in_hand_and_leaves_no_process(pool):
    with running_appliance(**ONE_MODEL) as appliance:
        waiting = pool.submit(speak, appliance, PACED)
        running_job(appliance)
        family = appliance.family()
        assert appliance.stop() == 0
        assert seconds(waiting.result()) == [pytest.approx(10.0)]
        assert alive(family) == []


def test_one_model_at_a_time_takes_turns_on_the_device(appliance):
    assert len(seconds(speak(appliance, {"texts": ["espeak"]}))) == 1
    assert seconds(speak(appliance, {"texts": ["fake"], "model": "fake/one"})) == [pytest.approx(0.3)]
    assert len(appliance.named("servers.runner")) == 1
    assert [model["name"] for model in appliance.jobs.health()["loaded_models"]] == ["one"]


def test_a_full_door_still_answers_health(appliance, pool):
    texts = ["a", "b"]  # several, which do not share the model
    waiting = [pool.submit(speak, appliance, PACED | {"texts": texts}) for _ in range(3)]
    running_job(appliance)
    eventually(lambda: len(appliance.jobs.queue()["queued"]) == 5, "the others wait")
    health = appliance.http.get(appliance.url("tts", "/health"), timeout=30).json()
    assert health["status"] == "ok"
    assert health["queue_depth"] == 5
    for job in appliance.jobs.queue()["queued"] + appliance.jobs.queue()["running"]:
        appliance.jobs.cancel(job["id"])
    assert {future.result().status_code for future in waiting} == {409}
