"""What a client sees when something is killed, or is missing, in the middle of its stream."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from servers.rpc import skylark_pb2 as wire
from tests.acceptance.processes import eventually
from tests.rpc.worker import CALL_S, Talk, Worker, metadata, refusal, running_worker

SENTENCE = "Good morning, and welcome to the show. "
MOST = 3


@pytest.fixture(scope="module")
def mortal() -> Iterator[Worker]:
    """One that is killed, and started again."""
    with running_worker(SKYLARK_RPC__MAX_CONCURRENT_SESSIONS=str(MOST), SKYLARK_RPC__RESUME_S="20") as found:
        yield found


@pytest.fixture
def session(mortal: Worker) -> Iterator[str]:
    found = mortal.session(voice="en")
    yield found
    mortal.stub.EndSession(wire.EndSessionRequest(session_id=found))


def is_whole(talk: Talk, first: int = 0) -> bool:
    return talk.numbers() == list(range(first, first + len(talk.frames))) and talk.frames[-1].last


def test_a_killed_worker_goes_on_with_the_session_at_any_frame(mortal: Worker, session: str) -> None:
    first = mortal.talk(session).say(SENTENCE * 20).end_texts().until_frames(100)
    mortal.process.kill()
    refusal(first.until_ended, grpc.StatusCode.UNAVAILABLE)
    mortal.start()
    second = mortal.talk(session, from_frame=57).end_texts().until_ended()
    assert is_whole(second, 57)
    again = mortal.talk(session, from_frame=0).end_texts().until_ended()
    assert again.samples().tobytes() == first.samples()[: 57 * 960].tobytes() + second.samples().tobytes()
    assert again.words() == (SENTENCE * 20).split()


def test_a_killed_worker_knows_where_an_utterance_ended(mortal: Worker, session: str) -> None:
    first = mortal.talk(session).say("One.", flush=True).say("Two.", flush=True).until_utterances(2)
    mortal.process.kill()
    first.drop()
    mortal.start()
    talk = mortal.talk(session).say("Three.").end_texts().until_ended()
    assert is_whole(talk, len(first.frames))
    assert (talk.words(), talk.frames[0].utterance) == (["Three."], 2)


def test_what_was_stopped_stays_unsaid_after_a_kill(mortal: Worker, session: str) -> None:
    first = mortal.talk(session).say(SENTENCE * 20).until_frames(30)
    next_frame = mortal.control(session, "STOP").next_frame
    mortal.process.kill()
    first.drop()
    mortal.start()
    talk = mortal.talk(session, from_frame=next_frame).say("Else.").end_texts().until_ended()
    assert is_whole(talk, next_frame)
    assert talk.words() == ["Else."]


def test_a_killed_engine_costs_a_pause(mortal: Worker, session: str) -> None:
    talk = mortal.talk(session).say(SENTENCE * 20).end_texts().until_frames(50)
    mortal.engine.server.end()
    mortal.engine.start()
    assert is_whole(talk.until_ended())
    assert talk.words() == (SENTENCE * 20).split()


def test_a_killed_runner_costs_a_pause(mortal: Worker, session: str) -> None:
    talk = mortal.talk(session).say(SENTENCE * 20).end_texts().until_frames(50)
    for runner in mortal.engine.runners():
        runner.kill()
    assert is_whole(talk.until_ended())
    assert talk.words() == (SENTENCE * 20).split()


def test_one_session_more_than_is_possible_is_told_when_to_come_again(mortal: Worker) -> None:
    sessions = [mortal.session(voice="en") for _ in range(MOST)]
    error = refusal(lambda: mortal.session(voice="en"), grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert float(metadata(error)["retry-after-s"]) > 0
    for each in sessions:
        mortal.stub.EndSession(wire.EndSessionRequest(session_id=each))
    mortal.stub.EndSession(wire.EndSessionRequest(session_id=mortal.session(voice="en")))


def test_garbage_on_the_port_harms_nobody(mortal: Worker, session: str) -> None:
    with socket.create_connection(("127.0.0.1", mortal.port), CALL_S) as garbage:
        garbage.sendall(bytes(range(256)) * 400)
        garbage.settimeout(CALL_S)
        try:
            while garbage.recv(65536):
                pass
        except ConnectionError:
            pass
    assert mortal.talk(session).say("One.").end_texts().until_ended().words() == ["One."]


def test_sessions_that_come_and_go_leave_nothing(mortal: Worker) -> None:
    process = mortal.process.process
    for _ in range(10):
        session = mortal.session(voice="en")
        mortal.talk(session).say(SENTENCE).until_frames(3).drop()
        mortal.stub.EndSession(wire.EndSessionRequest(session_id=session))
    assert list(mortal.records.iterdir()) == []
    eventually(lambda: mortal.engine.client.queue()["queued"] == [], "no job is left")
    eventually(lambda: _threads(process, "hearing") == 0, "no thread is left")


def _threads(process: psutil.Process, name: str) -> int:
    """By the names that Linux shows; elsewhere none are seen."""
    found = 0
    for thread in process.threads():
        try:
            with open(f"/proc/{process.pid}/task/{thread.id}/comm") as comm:
                found += comm.read().strip() == name
        except OSError:
            continue
    return found


def test_a_session_that_nobody_uses_ends() -> None:
    with running_worker(SKYLARK_RPC__RESUME_S="1") as worker:
        session = worker.session(voice="en")
        talk = worker.talk(session).say(SENTENCE * 3).until_frames(3).drop()
        eventually(lambda: not list(worker.records.iterdir()), "the session has ended")
        refusal(worker.talk(session, len(talk.frames)).until_ended, grpc.StatusCode.NOT_FOUND)


def test_health_is_that_of_the_model_and_the_services_can_be_listed(mortal: Worker) -> None:
    health = health_pb2_grpc.HealthStub(mortal.channel)
    request = health_pb2.HealthCheckRequest(service="skylark.tts.v1.TTS")

    def status() -> int:
        return health.Check(request, timeout=CALL_S).status

    eventually(lambda: status() == health_pb2.HealthCheckResponse.SERVING, "it is ready")
    mortal.engine.server.end()
    eventually(lambda: status() == health_pb2.HealthCheckResponse.NOT_SERVING, "it is not")
    mortal.engine.start()
    eventually(lambda: status() == health_pb2.HealthCheckResponse.SERVING, "it is ready again")
