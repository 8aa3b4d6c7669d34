"""What the proxy hears from the servers that it asks, and what it makes of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from servers.errors import (
    DeadlineExceeded,
    SettingsError,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
)
from servers.proxy import calls, upstream
from servers.proxy.upstream import Upstreams
from servers.settings import settings
from tests.acceptance.processes import free_port
from tests.proxy.conftest import KEY


@pytest.fixture
def found(configure, config) -> Upstreams:
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(config))
    return Upstreams.of(settings())


def test_it_is_asked_with_the_key(found, toy):
    toy.does = lambda talk: talk.whole(b'{"status": "ok"}')
    answer = found.tts.request("GET", "/health", headers={"X-Request-ID": "r"})
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    asked = toy.last()
    assert asked.line == "GET /tts/health HTTP/1.1"
    assert (asked.headers["x-api-key"], asked.headers["x-request-id"]) == (KEY, "r")


def test_the_key_of_the_environment_wins(configure, config, toy):
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(config), TTS_API_KEY="another")
    Upstreams.of(settings()).machine.request("GET", "")
    assert (toy.last().line, toy.last().headers["x-api-key"]) == ("GET /machine HTTP/1.1", "another")


def test_a_key_is_sent_in_utf_8_as_other_clients_send_it(configure, config, toy):
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(config), TTS_API_KEY="sésame-開け")
    Upstreams.of(settings()).tts.request("GET", "/health")
    assert toy.last().headers["x-api-key"].encode("latin-1").decode() == "sésame-開け"


def test_an_error_comes_as_the_server_said_it(found, toy):
    body = {"error": {"code": "machine_off", "message": "off", "param": None}}
    toy.does = lambda talk: talk.whole(
        json.dumps(body).encode(), status="503 Service Unavailable", more="Retry-After: 60\r\n"
    )
    answer = found.tts.request("POST", "/generate_batch", body=b"{}")
    assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, body, "60")


def test_a_refused_key_says_what_to_do(found, toy):
    toy.does = lambda talk: talk.whole(b"{}", status="401 Unauthorized")
    with pytest.raises(UpstreamRefused, match="set TTS_API_KEY"):
        found.tts.request("GET", "/v1/voices")


def test_a_redirect_is_not_followed_with_the_key(found, toy):
    toy.does = lambda talk: talk.whole(b"", status="302 Found", more=f"Location: {toy.url}/elsewhere\r\n")
    with pytest.raises(UpstreamFailed, match="leads elsewhere"):
        found.tts.request("GET", "/v1/voices")
    assert len(toy.asked) == 1


GARBAGE = {
    "no HTTP": lambda talk: talk.send(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nothing": lambda talk: None,
    "half a head": lambda talk: talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: appl"),
    "half a body": lambda talk: talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
    "half a chunk": lambda talk: (talk.head("application/json"), talk.send(b"5\r\n{")),
    "no end of chunks": lambda talk: (talk.head("application/json"), talk.chunk(b"{}")),
    "no chunk": lambda talk: (talk.head("application/json"), talk.send(b"zz\r\n{}")),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_a_typed_error(found, toy, garbage):
    toy.does = GARBAGE[garbage]
    with pytest.raises(UpstreamFailed, match="the server that speaks broke off, or answered no HTTP"):
        found.tts.request("GET", "/v1/voices")


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_typed_error(found, toy, body):
    toy.does = lambda talk: talk.whole(body)
    answer = found.tts.request("GET", "/v1/voices")
    with pytest.raises(UpstreamFailed, match="not as a Skylark server does"):
        answer.json()


def test_where_nothing_listens_it_is_unreachable(configure, tmp_path):
    file = tmp_path / "away.json"
    away = f"http://127.0.0.1:{free_port()}"
    file.write_text(json.dumps({"server_url": away, "whisper_url": away}), encoding="utf-8")
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(file))
    found = Upstreams.of(settings())
    assert (found.jobs, found.machine) == (None, None)
    with pytest.raises(UpstreamUnreachable, match="cannot be reached: Connection refused") as raised:
        found.tts.request("GET", "/health")
    assert "127.0.0.1" not in raised.value.message


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that lets nobody in: who connects waits, as for an address that leads nowhere."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # as many as wait there, and more
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def resolved(monkeypatch):
    """Has every name stand for those ports of this machine, one after the other."""

    def resolve(*ports: int) -> None:
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(upstream.socket, "getaddrinfo", lambda *_, **__: addresses)
        monkeypatch.setattr(upstream, "CONNECT_S", 1.0)

    return resolve


def test_behind_an_address_that_does_not_answer_the_others_are_tried(found, toy, deaf, resolved):
    toy.does = lambda talk: talk.whole(b'{"status": "ok"}')
    resolved(deaf, free_port(), toy.port)
    assert found.tts.request("GET", "/health").status == 200


def test_a_name_with_many_addresses_is_not_waited_for_once_for_each(found, deaf, resolved):
    resolved(*[deaf] * 1_000)
    with pytest.raises(UpstreamUnreachable, match="cannot be reached: it does not answer"):
        found.tts.request("GET", "/health")


def test_an_ipv6_address_is_connected_to(configure, tmp_path):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        url = f"http://[::1]:{listener.getsockname()[1]}"
        file = tmp_path / "six.json"
        file.write_text(json.dumps({"server_url": url, "whisper_url": url}), encoding="utf-8")
        configure(SKYLARK_PROXY__SERVER_CONFIG=str(file))
        connection = Upstreams.of(settings()).tts.connect()
        connection.connect()
        connection.close()


def test_a_local_engine_that_is_away_is_unreachable(configure):
    with pytest.raises(UpstreamUnreachable, match="the queue cannot be reached: No such file or directory"):
        Upstreams.of(settings()).jobs.request("GET", "/queue")


def test_a_server_that_is_silent_is_not_waited_for_without_end(found, toy):
    toy.does = lambda talk: talk.wait_until_gone()
    with pytest.raises(DeadlineExceeded, match="did not answer in time"):
        found.tts.request("GET", "/health", timeout_s=0.2)
    assert toy.last().gone.wait(10)


def test_a_reply_that_drips_is_not_waited_for_without_end(found, toy):
    def drip(talk):
        talk.head("application/json")
        while True:
            talk.chunk(b" ")

    toy.does = drip
    with pytest.raises(DeadlineExceeded, match="did not answer in time"):
        found.tts.request("GET", "/health", timeout_s=0.3)


def test_a_reply_without_end_is_not_kept(found, toy, monkeypatch):
    monkeypatch.setattr(calls, "MOST_BYTES", 1_000)
    toy.does = lambda talk: talk.whole(b"x" * 1_001)
    with pytest.raises(UpstreamFailed, match="more than can be an answer"):
        found.tts.request("GET", "/health")


def test_chunks_come_as_they_are_sent(found, toy):
    go_on = threading.Event()

    def speak(talk):
        talk.head("audio/pcm")
        talk.chunk(b"first")
        go_on.wait(10)
        talk.chunk(b"second")
        talk.end()

    toy.does = speak
    with found.tts.call() as call:
        found.tts.send(call, "GET", "/", headers={}, body=None, timeout_s=10)
        chunks = call.chunks()
        assert next(chunks) == b"first"
        go_on.set()
        assert list(chunks) == [b"second"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_call_that_waits_can_be_aborted_by_another_thread(found, toy, begun):
    def wait(talk):
        if begun:
            talk.head("audio/pcm")
        talk.wait_until_gone()

    def hear(call):
        found.tts.send(call, "GET", "/", headers={}, body=None, timeout_s=20)
        list(call.chunks())

    toy.does = wait
    with found.tts.call() as call:
        threading.Thread(target=lambda: (toy.last(), call.abort())).start()
        with pytest.raises(UpstreamFailed, match="nobody waits"):
            hear(call)
    assert toy.last().gone.wait(10)


def test_a_call_that_was_aborted_is_not_sent(found, toy):
    with found.tts.call() as call:
        call.abort()
        with pytest.raises(UpstreamFailed, match="nobody waits"):
            found.tts.send(call, "GET", "/", headers={}, body=None, timeout_s=10)
    assert toy.asked == []


def test_a_body_that_is_not_wanted_whole_does_not_hide_the_answer(found, toy):
    toy.does = lambda talk: talk.whole(b'{"error": {}}', status="413 Too Large")
    body = (b"x" * 65_536 for _ in range(2_000))
    answer = found.tts.request("POST", "/x", headers={"Content-Length": "10"}, body=body)
    assert answer.status == 413


def test_a_host_that_has_vanished_is_noticed(found, toy):
    connection = found.tts.connect()
    connection.connect()
    try:
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 20
    finally:
        connection.close()


def test_the_queue_and_the_machine_are_at_the_load_balancer(configure, toy, tmp_path):
    file = tmp_path / "balanced.json"
    file.write_text(json.dumps({"server_url": f"{toy.url}/tts", "whisper_url": f"{toy.url}/whisperx"}))
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(file))
    found = Upstreams.of(settings())
    found.jobs.request("GET", "/queue")
    found.machine.request("POST", "/start")
    assert [asked.line for asked in toy.asked] == ["GET /queue HTTP/1.1", "POST /machine/start HTTP/1.1"]


def test_a_file_that_is_missing_is_named(configure):
    configure(SKYLARK_PROXY__SERVER_CONFIG="nowhere.json")
    with pytest.raises(SettingsError, match=r"nowhere\.json: No such file"):
        Upstreams.of(settings())
