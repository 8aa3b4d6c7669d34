from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from servers.errors import InvalidRequest
from servers.web.handshake import websocket
from servers.web.outgoing import ClientGone
from servers.web.websocket import MAX_MESSAGE, POLICY, MustClose, WebSocket
from tests.web.fixtures import Configure
from tests.web.served import WITHIN_S, Served, error_of, eventually, request, serving
from tests.web.talking import ACCEPT, HANDSHAKE, Talker, ask

MakeApp = Callable[[], Flask]
NOTICED_S = 0.2


class Ends:
    """How talks have ended."""

    def __init__(self) -> None:
        self.of: list[str] = []
        self.at = 0.0

    def note(self, error: BaseException) -> None:
        self.at = time.monotonic()
        self.of.append(type(error).__name__)

    def noted(self) -> list[str]:
        """Once there is one: the connection is forgotten before its talk knows."""
        eventually(lambda: self.of)
        return self.of


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def app(make_app: MakeApp, ends: Ends) -> Flask:
    app = make_app()

    def echo(talk: WebSocket) -> None:
        """Says what it hears, and why it ends."""
        try:
            while True:
                message = talk.receive(WITHIN_S)
                assert message is not None
                talk.send(message)
        except MustClose as error:
            ends.note(error)
            talk.send(json.dumps({"error": error.error, "message": error.message}))
            raise
        except ClientGone as error:
            ends.note(error)
            raise

    def flood(talk: WebSocket) -> None:
        try:
            while True:
                talk.send("x" * 100_000)
        except ClientGone as error:
            ends.note(error)
            raise

    def impatient(talk: WebSocket) -> None:
        if talk.receive(0.05) is None:
            raise MustClose(POLICY, "input_timeout_exceeded", "nothing was said")

    def broken(talk: WebSocket) -> None:
        raise RuntimeError("cannot speak")

    for each in (echo, flood, impatient, broken):
        app.add_url_rule(f"/{each.__name__}", each.__name__, lambda each=each: websocket(each))

    @app.get("/refused")
    def refused() -> object:
        raise InvalidRequest("nobody is called so", param="voice_id")

    return app


@pytest.fixture
def served(app: Flask) -> Iterator[Served]:
    with serving(app) as running:
        yield running


def talks_end(served: Served) -> None:
    eventually(lambda: not served.listener._talking and not served.listener._reserved)


def test_the_handshake_is_answered_and_messages_go_both_ways(served: Served) -> None:
    client = served.client()
    reply = ask(client, "/echo")
    assert (reply.status, reply.headers["Sec-WebSocket-Accept"]) == (101, ACCEPT)
    assert (reply.headers["Upgrade"], reply.headers["Connection"]) == ("websocket", "Upgrade")
    assert "Content-Type" not in reply.headers
    assert reply.headers["X-Request-ID"]
    talker = Talker(served.client(), "/toys/echo")
    for text in ("so", "", "ä" * 70_000):
        talker.send(text)
        assert talker.hear() == text


def test_a_message_may_come_in_fragments_with_a_ping_between_them(served: Served) -> None:
    talker = Talker(served.client(), "/echo")
    talker.send("so ", finished=False)
    assert talker.ping(b"there?") == b"there?"
    talker.send("it is")
    assert talker.hear() == "so it is"


def test_frames_that_come_byte_by_byte_are_understood(served: Served) -> None:
    talker = Talker(served.client(), "/echo")
    for byte in talker._frames.send(_text("slowly")):
        talker.client.send(bytes([byte]))
    assert talker.hear() == "slowly"


def test_a_refusal_before_the_handshake_is_an_ordinary_reply(served: Served) -> None:
    client = served.client()
    assert error_of(ask(client, "/refused"))["param"] == "voice_id"
    assert error_of(ask(client, "/nowhere"))["status"] == 404
    assert client.ask("/health").read(), "the connection goes on"
    talker = Talker(client, "/echo")
    talker.send("so")
    assert talker.hear() == "so"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 426),
        (HANDSHAKE[:1], 426),
        (HANDSHAKE[1:], 426),
        ((*HANDSHAKE[:2], "Sec-WebSocket-Version: 8", HANDSHAKE[3]), 426),
        (HANDSHAKE[:3], 400),
        ((*HANDSHAKE[:3], "Sec-WebSocket-Key: AAAA"), 400),
        ((*HANDSHAKE[:3], "Sec-WebSocket-Key: ***"), 400),
        ((*HANDSHAKE, "Content-Length: 2"), 426),
    ],
)
def test_what_is_no_handshake_is_refused(served: Served, headers: tuple[str, ...], status: int) -> None:
    client = served.client()
    client.send(request("/echo", b"", *headers) + (b"{}" if "Content-Length: 2" in headers else b""))
    reply = client.answer()
    assert error_of(reply)["status"] == status
    if status == 426:
        assert reply.headers["Sec-WebSocket-Version"] == "13"


def test_without_the_key_there_is_no_handshake(configure: Configure, app: Flask, make_app: MakeApp) -> None:
    configure(TTS_API_KEY="open sesame")
    keyed = make_app()
    keyed.add_url_rule("/echo", "echo", app.view_functions["echo"])
    with serving(keyed) as served:
        assert error_of(ask(served.client(), "/echo"))["status"] == 401
        talker = Talker(served.client(), "/echo", "xi-api-key: open sesame")
        talker.send("so")
        assert talker.hear() == "so"


@pytest.mark.parametrize(("origin", "status"), [("https://evil", 403), ("null", 403), ("http://toys", 101)])
def test_pages_of_other_origins_are_refused(served: Served, origin: str, status: int) -> None:
    assert ask(served.client(), "/echo", f"Origin: {origin}").status == status


def test_an_origin_that_may_call_may_speak(configure: Configure, served: Served) -> None:
    configure(SKYLARK_WEB__CORS_ORIGINS='["https://good"]')
    assert ask(served.client(), "/echo", "Origin: https://good").status == 101
    assert ask(served.client(), "/echo", "Origin: https://evil").status == 403


def test_bytes_behind_the_handshake_are_refused(served: Served) -> None:
    client = served.client()
    client.send(request("/echo", b"", *HANDSHAKE) + b"\x81\x80\x00\x00\x00\x00")
    assert error_of(client.answer())["code"] == "malformed_request"
    assert not served.listener._reserved


def test_one_too_many_is_told_so_before_the_handshake(app: Flask) -> None:
    with serving(app, websockets=2) as served:
        first, _ = (Talker(served.client(), "/echo") for _ in range(2))
        error = error_of(ask(served.client(), "/echo"))
        assert (error["status"], error["code"]) == (429, "queue_full")
        first.close()
        assert first.close_code() == 1000
        assert first.client.closed()
        eventually(lambda: len(served.listener._reserved) < 2)
        Talker(served.client(), "/echo")


def test_websockets_take_nothing_from_requests(app: Flask) -> None:
    with serving(app, connections=2, per_address=2, threads=1) as served:
        talkers = [Talker(served.client(), "/echo") for _ in range(5)]
        assert served.client().ask("/health").status == 200
        assert served.client().ask("/things", b'{"name": "ball"}').status == 200
        for each in talkers:
            each.send("so")
            assert each.hear() == "so"


def test_a_client_that_closes_is_answered_and_let_go(served: Served, ends: Ends) -> None:
    talker = Talker(served.client(), "/echo")
    talker.close()
    assert talker.close_code() == 1000
    assert talker.client.closed()
    talker.vanish()
    assert ends.noted() == ["ClientGone"]
    talks_end(served)


def test_a_client_that_vanishes_is_noticed_at_once(served: Served, ends: Ends) -> None:
    took = []
    for _ in range(5):
        talker = Talker(served.client(), "/echo")
        talker.send("so")
        assert talker.hear() == "so"
        began = time.monotonic()
        talker.vanish()
        assert ends.noted() == ["ClientGone"]
        talks_end(served)
        took.append(ends.at - began)
        ends.of.clear()
    assert min(took) < NOTICED_S, took


def test_a_client_that_vanishes_while_much_is_said_to_it_is_noticed(served: Served, ends: Ends) -> None:
    talker = Talker(served.client(), "/flood")
    talker.hear()
    talker.vanish()
    assert ends.noted() == ["ClientGone"]
    talks_end(served)


def test_a_client_that_does_not_read_holds_little_and_nobody_else(served: Served, ends: Ends) -> None:
    slow = Talker(served.client(), "/flood")
    eventually(lambda: sum(each.unsent() for each in served.listener._talking) > 0)
    quick = Talker(served.client(), "/echo")
    quick.send("so")
    assert quick.hear() == "so"
    assert sum(each.unsent() for each in served.listener._talking) < 3_000_000
    now = time.monotonic()
    served.look(now)
    served.look(now + 3_600)  # it has taken no byte for an hour
    eventually(lambda: ends.of == ["ClientGone"])
    slow.vanish()


@pytest.mark.parametrize(
    ("frame", "code", "error"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1002, "protocol_error"),
        (b"\x81\x02so", 1002, "protocol_error"),  # it has no mask
        (b"\x81\x81\x00\x00\x00\x00\xff", 1007, "protocol_error"),
        (b"\x82\x81\x00\x00\x00\x00\xff", 1003, "unsupported_data"),
    ],
)
def test_garbage_and_binary_messages_end_it_with_a_code(
    served: Served, ends: Ends, frame: bytes, code: int, error: str
) -> None:
    talker = Talker(served.client(), "/echo")
    talker.client.send(frame)
    assert talker.json()["error"] == error
    assert talker.close_code() == code
    assert talker.client.closed()
    talker.vanish()
    assert ends.noted() == ["MustClose"]
    talks_end(served)


@pytest.mark.parametrize("pieces", [1, 10])
def test_a_message_that_is_too_large_ends_it_with_1009(served: Served, ends: Ends, pieces: int) -> None:
    talker = Talker(served.client(), "/echo")
    part = "x" * (MAX_MESSAGE // pieces + 1)
    for left in reversed(range(pieces)):
        talker.send(part, finished=left == 0)
    assert talker.json()["error"] == "too_large"
    assert talker.close_code() == 1009
    talker.vanish()
    talks_end(served)


def test_a_message_of_the_greatest_size_is_taken(served: Served) -> None:
    talker = Talker(served.client(), "/echo")
    talker.send("x" * MAX_MESSAGE)
    assert len(talker.hear()) == MAX_MESSAGE


def test_silence_is_the_talks_own_affair(served: Served) -> None:
    assert Talker(served.client(), "/impatient").close_code() == POLICY


def test_a_defect_is_1011_and_in_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    assert Talker(served.client(), "/broken").close_code() == 1011
    eventually(lambda: any(record.exc_info for record in caplog.records))


def test_thousands_of_tiny_messages_leave_nothing_behind(served: Served) -> None:
    talker = Talker(served.client(), "/echo")
    count, frame = 20_000, bytes(_masked(b"x"))
    heard = threading.Thread(target=lambda: [talker.hear() for _ in range(count)])
    heard.start()
    for _ in range(count // 1_000):
        talker.client.send(frame * 1_000)
    heard.join(WITHIN_S)
    assert not heard.is_alive()
    assert served.client().ask("/health").status == 200


def test_at_the_end_of_the_server_each_is_told_to_go_elsewhere(app: Flask, ends: Ends) -> None:
    with serving(app) as served:
        talkers = [Talker(served.client(), "/echo") for _ in range(3)]
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        for each in talkers:
            assert each.json()["error"] == "going_away"
            assert each.close_code() == 1001
            each.vanish()
        stopping.join(WITHIN_S)
        assert not stopping.is_alive()
        assert ends.of == ["MustClose"] * 3


def test_one_that_does_not_listen_is_cut_off_at_the_end_of_the_server(app: Flask, ends: Ends) -> None:
    with serving(app) as served:
        slow = Talker(served.client(), "/flood")
        eventually(lambda: sum(each.unsent() for each in served.listener._talking) > 0)
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        eventually(lambda: served.listener.stopping)
        served.look(time.monotonic() + 11)
        stopping.join(WITHIN_S)
        assert not stopping.is_alive()
        eventually(lambda: ends.of == ["ClientGone"])
        slow.vanish()


def _text(text: str) -> object:
    from wsproto.events import TextMessage

    return TextMessage(data=text)


def _masked(payload: bytes) -> bytes:
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload
