"""WebSockets of a real appliance: text in, audio out, and what becomes of the jobs when a client leaves."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.processes import Appliance, alive, eventually, running_appliance
from tests.stand_ins.fake import numbered
from tests.web.served import WITHIN_S, Client, error_of
from tests.web.talking import Talker, ask

LONG = "/v1/text-to-speech/low/multi-stream-input?model_id=fake/paced&output_format=pcm_16000"
"""Five seconds of work for each text."""
SHORT = "/v1/text-to-speech/default/stream-input?output_format=pcm_22050"
CANCELLED_S = 0.2
"""In the quickest of some tries: what is later than that is so by what else the machine does."""
KEY = "open sesame"


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with running_appliance(TTS_API_KEY=KEY, SKYLARK_WEB__MAX_WEBSOCKETS="8") as running:
        yield running


class Clients:
    """Of the appliance; what is left of them ends with the test."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._open = appliance, ExitStack()

    def client(self) -> Client:
        port = self._appliance.ports["tts"]
        connected = socket.create_connection(("127.0.0.1", port), WITHIN_S)
        return Client(self._open.enter_context(connected))

    def talker(self, path: str) -> Talker:
        return Talker(self.client(), path, f"xi-api-key: {KEY}")

    def end(self) -> None:
        self._open.close()


@pytest.fixture
def clients(appliance: Appliance) -> Iterator[Clients]:
    clients = Clients(appliance)
    yield clients
    clients.end()


def speaking(appliance: Appliance, talking: Talker, context: str) -> str:
    """The job of a text that is being spoken to it."""
    talking.send({"text": "So it goes on. ", "context_id": context})
    assert base64.b64decode(talking.json()["audio"])
    return appliance.jobs.queue()["active"]["id"]


def is_cancelled(appliance: Appliance, job_id: str) -> bool:
    return appliance.jobs.get(job_id)["status"] == "cancelled"


def test_text_goes_in_and_audio_comes_out_with_the_times_of_its_characters(
    appliance: Appliance, clients: Clients
) -> None:
    talking = clients.talker(SHORT)
    for token in ("Hello", " there.", " How", " are", " you", "?"):
        talking.send({"text": token})
    talking.send({"text": ""})
    messages = [talking.json()]
    while not messages[-1]["isFinal"]:
        messages.append(talking.json())
    pcm = b"".join(base64.b64decode(each["audio"]) for each in messages[:-1])
    told = [each["alignment"] for each in messages[:-1] if each["alignment"]]
    assert "".join(char for each in told for char in each["chars"]) == "Hello there. How are you? "
    spans_ms = sum(each["charStartTimesMs"][-1] + each["charDurationsMs"][-1] for each in told)
    assert spans_ms / 1000 == pytest.approx(len(pcm) / 2 / 22_050, abs=0.01)
    assert talking.close_code() == 1000


def test_who_says_the_same_to_a_door_that_was_restarted_hears_on_from_a_sample(
    appliance: Appliance, clients: Clients
) -> None:
    path = "/v1/text-to-speech/low/stream-input?model_id=fake/numbered-and-paced&output_format=pcm_16000"
    pieces = [*"Number 7 in 40 chunks. Number 8 in 30 chunks. ", ""]
    talking, heard = clients.talker(f"{path}&idempotency_key=restart"), bytearray()
    for piece in pieces:
        talking.send({"text": piece})
    while len(heard) < 20_000:
        message = talking.json()
        assert message["startSample"] == len(heard) // 2
        heard += base64.b64decode(message["audio"])
    (worker,) = [each for each in appliance.named("servers.tts.app") if not each.children()]
    worker.kill()
    worker.wait(WITHIN_S)
    talking.vanish()
    eventually(lambda: appliance.ready("tts"), "another worker is there")
    start = len(heard) // 2
    talking = clients.talker(f"{path}&idempotency_key=restart&from={start}")
    for piece in pieces:
        talking.send({"text": piece})
    while not (message := talking.json())["isFinal"]:
        assert message["startSample"] == len(heard) // 2
        heard += base64.b64decode(message["audio"])
    assert talking.close_code() == 1000
    whole = [numbered(number, 0, chunks * 1_600).tobytes() for number, chunks in ((7, 40), (8, 30))]
    assert bytes(heard) == b"".join(whole)


def test_without_the_key_there_is_no_handshake(appliance: Appliance, clients: Clients) -> None:
    assert error_of(ask(clients.client(), SHORT))["status"] == 401


def test_the_job_of_a_client_that_vanishes_is_cancelled_in_time(
    appliance: Appliance, clients: Clients
) -> None:
    took = []
    for _ in range(5):
        talking = clients.talker(LONG)
        job_id = speaking(appliance, talking, "a")
        began = time.monotonic()
        talking.vanish()
        eventually(lambda job_id=job_id: is_cancelled(appliance, job_id), "the job is cancelled")
        took.append(time.monotonic() - began)
    assert min(took) < CANCELLED_S, took


def test_the_job_of_a_context_that_is_closed_is_cancelled_in_time(
    appliance: Appliance, clients: Clients
) -> None:
    talking, took = clients.talker(LONG), []
    for context in "abcde":
        job_id = speaking(appliance, talking, context)
        began = time.monotonic()
        talking.send({"context_id": context, "close_context": True})
        eventually(lambda job_id=job_id: is_cancelled(appliance, job_id), "the job is cancelled")
        took.append(time.monotonic() - began)
        while not talking.json()["isFinal"]:
            pass
    assert min(took) < CANCELLED_S, took
    talking.vanish()


@pytest.mark.parametrize(("frame", "code"), [(b"\x00" * 64, 1002), (b"\x82\x81\x00\x00\x00\x00\xff", 1003)])
def test_garbage_and_binary_messages_end_it_and_its_job(
    appliance: Appliance, clients: Clients, frame: bytes, code: int
) -> None:
    talking = clients.talker(LONG)
    job_id = speaking(appliance, talking, "a")
    talking.client.send(frame)
    assert talking.close_code() == code
    eventually(lambda: is_cancelled(appliance, job_id), "the job is cancelled")
    talking.vanish()


def test_many_that_come_and_go_leave_no_descriptor_and_no_thread(
    appliance: Appliance, clients: Clients
) -> None:
    (worker,) = [each for each in appliance.named("servers.tts.app") if not each.children()]
    talkers = [clients.talker(SHORT) for _ in range(8)]
    assert error_of(ask(clients.client(), SHORT, f"xi-api-key: {KEY}"))["status"] == 429
    for each in talkers:
        each.send({"text": "Hello. "})
        each.json()
    for each in talkers:
        each.vanish()
    clients.talker(SHORT).vanish()
    before = (worker.num_fds(), worker.num_threads())
    for number in range(40):
        talking = clients.talker(SHORT)
        talking.send({"text": "Hello. ", "flush": bool(number % 2)})
        if number % 4 == 0:
            talking.close()
        talking.vanish()
    # pools of threads and of connections to the engine may have grown by some, and not by one for each
    eventually(lambda: worker.num_fds() <= before[0] + 10, "descriptors are closed")
    eventually(lambda: worker.num_threads() <= before[1] + 20, "threads have ended")


def test_at_sigterm_each_is_closed_with_1001_and_its_job_cancelled() -> None:
    with running_appliance(TTS_API_KEY=KEY) as appliance:
        clients = Clients(appliance)
        talkers = [clients.talker(LONG) for _ in range(3)]
        speaking(appliance, talkers[0], "a")
        family, codes = appliance.family(), list[int]()
        listening = [
            threading.Thread(target=lambda each=each: codes.append(each.close_code())) for each in talkers
        ]
        for each in listening:
            each.start()
        assert appliance.stop() == 0
        for each in listening:
            each.join(WITHIN_S)
        assert codes == [1001] * 3
        assert alive(family) == []
        clients.end()


def test_an_error_says_what_and_where(appliance: Appliance, clients: Clients) -> None:
    talking = clients.talker("/v1/text-to-speech/nobody/multi-stream-input?model_id=fake/one")
    talking.send({"text": "So it is. ", "context_id": "a"})
    told = json.loads(talking.hear())
    assert (told["error"], told["param"], told["contextId"]) == ("unknown_voice", "voice_id", "a")
    assert "low, high" in told["message"]
    talking.vanish()
