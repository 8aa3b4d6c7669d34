"""Clients that a worker has to withstand, keys and certificates, and how it ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from servers.rpc import skylark_pb2 as wire
from servers.rpc.skylark_pb2_grpc import TTSStub
from tests.acceptance.processes import Process, eventually, free_port
from tests.rpc.worker import CALL_S, Talk, Worker, metadata, refusal, running_worker

SENTENCE = "Good morning, and welcome to the show. "
KEYS = {"one": "first-key", "two": "second-key"}
MOST = 4


@pytest.fixture(scope="module")
def limited() -> Iterator[Worker]:
    with running_worker(SKYLARK_RPC__MAX_CONCURRENT_SESSIONS=str(MOST), SKYLARK_RPC__THREADS="16") as worker:
        yield worker


@contextmanager
def another(worker: Worker, **settings: str) -> Iterator[Process]:
    """A worker beside it, of the same engine."""
    own = {"SKYLARK_RPC__PORT": str(free_port()), "SKYLARK_RPC__NAME": "another"}
    environment = {**worker.environment, **own, **settings}
    process = Process("servers.rpc", environment, worker.engine.folder / f"{time.monotonic_ns()}.log")
    try:
        yield process
    finally:
        process.end()


def end(worker: Worker, session: str) -> None:
    worker.stub.EndSession(wire.EndSessionRequest(session_id=session), timeout=CALL_S)


def test_starts_beyond_the_limit_are_all_refused_and_quickly(limited: Worker) -> None:
    sessions = [limited.session(voice="en") for _ in range(MOST)]

    def refused(_: int) -> str:
        request = wire.StartSessionRequest(voice="en")
        return metadata(
            refusal(
                lambda: limited.stub.StartSession(request, timeout=CALL_S), grpc.StatusCode.RESOURCE_EXHAUSTED
            )
        )["retry-after-s"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(refused, range(10_000))) == {"5"}
    for session in sessions:
        end(limited, session)
    end(limited, limited.session(voice="en"))


def test_streams_that_take_every_place_leave_one_to_a_stop(limited: Worker) -> None:
    session, watched = limited.session(voice="en"), limited.session(voice="en")
    talk = limited.talk(session).say(SENTENCE * 3).until_frames(3)
    watching = [
        limited.stub.WatchSession(wire.WatchSessionRequest(session_id=name), timeout=CALL_S)
        for name in [session] * 8 + [watched] * 5
    ]
    for each in watching:
        next(each)
    request = wire.WatchSessionRequest(session_id=watched)
    error = refusal(
        lambda: list(limited.stub.WatchSession(request, timeout=CALL_S)), grpc.StatusCode.RESOURCE_EXHAUSTED
    )
    assert metadata(error)["error-code"] == "too_many_streams"
    assert limited.control(session, "STOP").state == wire.IDLE
    for each in watching:
        each.cancel()
    talk.drop()
    end(limited, session), end(limited, watched)


def test_a_client_that_reads_nothing_costs_no_memory(limited: Worker) -> None:
    session = limited.session(voice="en")
    said = [wire.SynthesizeRequest(opening=wire.Opening(session_id=session))]
    said += [wire.SynthesizeRequest(text=wire.Text(text=SENTENCE * 100))] * 25  # two hours and a half: 800 MB
    call = limited.stub.Synthesize(iter(said), timeout=CALL_S)
    next(call)
    process = limited.process.process
    before = process.memory_info().rss

    def stands_still() -> bool:
        first = limited.control(session, "RESUME").next_frame
        time.sleep(0.3)
        return 0 < first == limited.control(session, "RESUME").next_frame

    eventually(stands_still, "it waits for its client")
    assert limited.control(session, "RESUME").next_frame < 40_000
    assert process.memory_info().rss - before < 64e6
    assert limited.control(session, "STOP").state == wire.IDLE
    call.cancel()
    end(limited, session)


def test_a_client_that_says_nothing_at_all_is_told_what_comes_first(limited: Worker) -> None:
    error = refusal(
        lambda: list(limited.stub.Synthesize(iter([]), timeout=CALL_S)), grpc.StatusCode.INVALID_ARGUMENT
    )
    assert "the opening" in error.details()


def test_a_deadline_ends_the_stream_and_not_the_session(limited: Worker) -> None:
    session = limited.session(voice="en")
    opening = wire.SynthesizeRequest(opening=wire.Opening(session_id=session))
    text = wire.SynthesizeRequest(text=wire.Text(text="One. "))
    talk = Talk(limited.stub, session, None)
    talk.drop()

    def said() -> Iterator[wire.SynthesizeRequest]:
        yield opening
        yield text
        eventually(lambda: not call.is_active(), "the deadline passes")

    call = limited.stub.Synthesize(said(), timeout=5)
    frames: list = []
    error = refusal(lambda: frames.extend(told for told in call), grpc.StatusCode.DEADLINE_EXCEEDED)
    assert error.details()
    first = limited.control(session, "RESUME").next_frame
    rest = limited.talk(session, from_frame=0).end_texts().until_ended()
    assert rest.words() == ["One."]
    assert len(rest.frames) >= first
    end(limited, session)


def test_the_services_are_listed_by_reflection(limited: Worker) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(limited.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (told,) = stub.ServerReflectionInfo(iter([asked]), timeout=CALL_S)
    names = {service.name for service in told.list_services_response.service}
    assert {"skylark.tts.v1.TTS", "nvidia.riva.tts.RivaSpeechSynthesis", "grpc.health.v1.Health"} <= names


def test_a_session_of_another_key_is_not_there(limited: Worker) -> None:
    port = free_port()
    hashes = ",".join(f"{name}:{sha256(key.encode()).hexdigest()}" for name, key in KEYS.items())
    with another(limited, SKYLARK_RPC__PORT=str(port), SKYLARK_API_KEYS=hashes):
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        stub = TTSStub(channel)

        def start(*keys: tuple[str, str]) -> wire.Session:
            request = wire.StartSessionRequest(voice="en")
            return stub.StartSession(request, timeout=CALL_S, metadata=keys, wait_for_ready=True)

        refusal(start, grpc.StatusCode.UNAUTHENTICATED)
        refusal(lambda: start(("x-api-key", "guess")), grpc.StatusCode.UNAUTHENTICATED)
        session = start(("authorization", f"Bearer {KEYS['one']}"))
        ending = wire.EndSessionRequest(session_id=session.session_id)
        other = (("x-api-key", KEYS["two"]),)
        refusal(lambda: stub.EndSession(ending, metadata=other), grpc.StatusCode.NOT_FOUND)
        refusal(lambda: list(stub.Synthesize(iter([]))), grpc.StatusCode.UNAUTHENTICATED)
        stub.EndSession(ending, metadata=(("x-api-key", KEYS["one"]),))
        channel.close()


# certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority's, and of it a server's, one that has expired, and a client's."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2"
    )
    for name, days in (("server", "2"), ("expired", "-1"), ("client", "2")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed, "-days", days)
    return folder


def tls(folder, name: str, **more: str) -> dict[str, str]:
    pair = {
        "SKYLARK_RPC__TLS_CERTIFICATE": f"{folder}/{name}.pem",
        "SKYLARK_RPC__TLS_KEY": f"{folder}/{name}.key",
    }
    return {**pair, **more}


def capabilities(folder, port: int, client: str | None = None) -> wire.Capabilities:
    pair = (
        {}
        if client is None
        else {
            "private_key": (folder / f"{client}.key").read_bytes(),
            "certificate_chain": (folder / f"{client}.pem").read_bytes(),
        }
    )
    credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes(), **pair)
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        return TTSStub(channel).GetCapabilities(wire.GetCapabilitiesRequest(), timeout=CALL_S)


def test_with_an_authority_only_its_clients_are_let_in(limited: Worker, certificates) -> None:
    port = free_port()
    settings = tls(certificates, "server", SKYLARK_RPC__CLIENT_CA=f"{certificates}/ca.pem")
    with another(limited, SKYLARK_RPC__PORT=str(port), **settings) as process:
        eventually(lambda: "serving" in process.log.read_text(), "it serves")
        assert capabilities(certificates, port, "client").sample_rate == 48_000
        refusal(lambda: capabilities(certificates, port), grpc.StatusCode.UNAVAILABLE)
        refusal(lambda: capabilities(certificates, port, "expired"), grpc.StatusCode.UNAVAILABLE)


def test_a_client_is_told_that_the_certificate_has_expired(limited: Worker, certificates) -> None:
    port = free_port()
    with another(limited, SKYLARK_RPC__PORT=str(port), **tls(certificates, "expired")) as process:
        eventually(lambda: "serving" in process.log.read_text(), "it serves")
        error = refusal(lambda: capabilities(certificates, port), grpc.StatusCode.UNAVAILABLE)
        assert "certificate has expired" in error.details()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"SKYLARK_RPC__TLS_CERTIFICATE": "/nowhere.pem", "SKYLARK_RPC__TLS_KEY": "/nowhere.key"},
            "/nowhere.pem",
        ),
        (
            {"SKYLARK_RPC__TLS_CERTIFICATE": "{}/server.pem", "SKYLARK_RPC__TLS_KEY": "{}/client.key"},
            "mismatch",
        ),
        (
            {"SKYLARK_RPC__TLS_CERTIFICATE": "{}/names", "SKYLARK_RPC__TLS_KEY": "{}/names"},
            "rpc.tls_certificate",
        ),
        ({"SKYLARK_RPC__PORT": "{port}"}, "is it taken?"),
        ({"SKYLARK_RPC__NAME": "tts-worker-0"}, "runs already over this data_dir"),
    ],
)
def test_what_it_cannot_serve_with_is_said_in_a_line(limited: Worker, certificates, settings, said) -> None:
    filled = {
        name: value.replace("{}", str(certificates)).replace("{port}", str(limited.port))
        for name, value in settings.items()
    }
    with another(limited, **filled) as process:
        assert process.wait(CALL_S) == 1
        (line,) = [line for line in process.log.read_text().splitlines() if line.startswith("skylark: ")]
        assert said in line.lower()
        assert "Traceback" not in process.log.read_text()


# its end; the last one, for nothing of it is left


def test_a_worker_that_is_told_to_end_lets_a_sentence_be_spoken_and_the_next_one_has_the_session(
    limited: Worker,
) -> None:
    session, waiting = limited.session(voice="en"), limited.session(voice="en")
    idle = limited.talk(waiting).until(lambda talk: talk.opened, "it is open")
    first = limited.talk(session).say(SENTENCE * 3, flush=True).until_frames(3)
    assert limited.process.stop() == 0
    refusal(idle.until_ended, grpc.StatusCode.UNAVAILABLE)
    error = refusal(first.until_ended, grpc.StatusCode.UNAVAILABLE)
    assert "the next one has" in error.details()
    assert first.words() == (SENTENCE * 3).split()
    limited.start()
    second = limited.talk(session).say("And on.").end_texts().until_ended()
    assert second.numbers() == list(range(len(first.frames), len(first.frames) + len(second.frames)))
    assert second.words() == ["And", "on."]
