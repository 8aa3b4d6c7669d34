from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import IncompleteRead
from itertools import count

import pytest
from flask import Flask, Response, request, stream_with_context

from servers.errors import JobCancelled
from servers.web import listener
from servers.web.bounds import IDLE_S
from servers.web.disconnect import connection, on_leave
from servers.web.incoming import IN_MEMORY, SLICE_S
from servers.web.outgoing import PIECE, RESET, STALLED_S
from servers.web.phases import QUIET_S, RECEIVING_AT_THE_END_S
from servers.web.receiving import HEAD_S
from tests.web.served import WITHIN_S, Client, Served, error_of, eventually, serving
from tests.web.served import request as raw

MakeApp = Callable[[], Flask]
THING = b'{"name": "ball"}'
MORE_THAN_THE_KERNEL_TAKES = 30
"""Replies of a megabyte."""


class Gate:
    """A view that waits until it is opened, and says whether its client is there."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.clients: list[Callable[[], bool]] = []

    def view(self) -> dict[str, bool]:
        self.clients.append(connection())
        self.entered.release()
        assert self.open.wait(WITHIN_S)
        return {"waited": True}


class Leaving:
    """A view that waits until its client goes away, and is told of it, or of another one's end."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.gone = threading.Event()
        self.told = 0

    def view(self) -> dict[str, bool]:
        on_leave()(self._tell)
        self.entered.release()
        return {"gone": self.gone.wait(WITHIN_S)}

    def at_once(self) -> dict[str, int]:
        on_leave()(self._tell)
        return {"told": self.told}

    def _tell(self) -> None:
        self.told += 1
        self.gone.set()


class Tape:
    """A view that streams without an end, and knows how far it came."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()

    def view(self) -> Response:
        return Response(self._parts(), mimetype="application/octet-stream")

    def _parts(self) -> Iterator[bytes]:
        try:
            for _ in range(1_000_000):
                self.made += 1
                yield b"x" * 10_000
        finally:
            self.closed.set()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    app.add_url_rule("/echo", "echo", lambda: Response(request.get_data()), methods=["POST"])
    app.add_url_rule("/large", "large", lambda: Response(b"x" * (PIECE - 1000)))
    app.add_url_rule("/cookies", "cookies", lambda: dict(request.cookies))
    app.add_url_rule("/none", "none", lambda: ("", 204))
    app.add_url_rule("/dated", "dated", lambda: Response(b"x").make_conditional(request))
    return app


@pytest.fixture
def served(app: Flask) -> Iterator[Served]:
    with serving(app) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Client:
    return served.client()


# requests and replies


def test_one_connection_has_one_request_after_the_other(client: Client) -> None:
    for size in (1, IN_MEMORY + 1, 0):
        reply = client.ask("/echo", b"x" * size, method="POST")
        assert (reply.status, reply.read()) == (200, b"x" * size)


def test_requests_that_come_together_are_answered_in_turn(client: Client) -> None:
    client.send(raw("/echo", b"one") + raw("/health") + raw("/echo", b"three"))
    assert client.answer().read() == b"one"
    assert json.loads(client.answer().read()) == {"ok": True}
    assert client.answer().read() == b"three"


def test_a_request_may_come_byte_by_byte(client: Client) -> None:
    for byte in raw("/echo", b"slowly"):
        client.send(bytes([byte]))
    assert client.answer().read() == b"slowly"


def test_a_body_in_chunks_is_a_body(client: Client) -> None:
    reply = client.ask("/things", b"6\r\n" + THING[:6] + b"\r\na\r\n" + THING[6:] + b"\r\n0\r\n\r\n", CHUNKED)
    assert json.loads(reply.read())["name"] == "ball"


CHUNKED = "Transfer-Encoding: chunked"


def test_a_client_that_asks_first_is_told_to_go_on(client: Client) -> None:
    client.send(raw("/echo", b"", "Content-Length: 3", "Expect: 100-continue", method="POST"))
    assert client.sock.recv(100).startswith(b"HTTP/1.1 100")
    client.send(b"abc")
    assert client.answer().read() == b"abc"


def test_an_old_client_is_answered_and_let_go(client: Client) -> None:
    client.send(b"GET /health HTTP/1.0\r\n\r\n")
    assert client.answer().read()
    assert client.closed()


def test_a_client_that_has_said_all_is_still_answered(client: Client) -> None:
    client.send(raw("/health"))
    client.sock.shutdown(socket.SHUT_WR)
    assert client.answer().read()
    assert client.closed()


def test_replies_without_a_body_have_none(client: Client) -> None:
    head = client.ask("/health", method="HEAD")
    assert (head.status, head.read()) == (200, b"")
    none = client.ask("/none")
    assert (none.status, none.read()) == (204, b"")
    assert client.ask("/health").status == 200


def test_an_empty_line_between_requests_is_let_pass(client: Client) -> None:
    for _ in range(2):
        client.send(b"\r\n")
        assert client.ask("/health").read()


def test_a_client_that_proposes_another_protocol_keeps_its_connection(client: Client) -> None:
    for _ in range(2):
        assert client.ask("/health", b"", "Upgrade: h2c", "Connection: Upgrade").read()


def test_a_refusal_of_a_head_request_has_no_body(served: Served, client: Client) -> None:
    client.send(raw("/echo", b"", CHUNKED, "Content-Length: 1", method="HEAD"))
    reply = client.answer("HEAD")
    assert (reply.status, reply.reason, reply.read()) == (400, "Bad Request", b"")
    assert client.closed()


def test_what_follows_a_head_request_and_is_refused_is_told_why(client: Client) -> None:
    assert client.ask("/health", method="HEAD").read() == b""
    client.send(b"no request\r\n\r\n")
    assert error_of(client.answer())["code"] == "malformed_request"


def test_a_header_that_comes_twice_is_one(client: Client) -> None:
    assert json.loads(client.ask("/cookies", b"", "Cookie: a=1", "Cookie: b=2").read()) == {
        "a": "1",
        "b": "2",
    }


def test_a_reply_has_one_date_also_where_the_app_has_given_it_one(client: Client) -> None:
    assert len(client.ask("/dated").headers.get_all("Date")) == 1


def test_a_path_has_its_characters(client: Client) -> None:
    assert "there is no /Grüße ü" in error_of(client.ask("/Gr%C3%BC%C3%9Fe%20%C3%BC"))["message"]
    assert client.ask("http://toys/health").status == 200


def test_a_defect_before_the_reply_is_an_error_and_after_it_ends_the_connection(app: Flask) -> None:
    def broken() -> Iterator[bytes]:
        yield b"so far"
        raise RuntimeError("and no further")

    app.add_url_rule("/broken", "broken", lambda: Response(broken()))
    app.add_url_rule("/unsayable", "unsayable", lambda: Response("", headers={"X-Odd": "a\x00b"}))
    with serving(app) as served:
        assert error_of(served.client().ask("/unsayable"))["status"] == 500
        client = served.client()
        with pytest.raises((ConnectionResetError, IncompleteRead)):
            client.ask("/broken").read()
        old = served.client()
        old.send(b"GET /broken HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            old.answer().read()


def test_a_stream_that_fails_has_a_line_in_the_log_and_one_whose_client_left_has_none(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    gate, closed = Gate(), threading.Event()

    def parts(waits: bool) -> Iterator[bytes]:
        try:
            yield b"so far"
            if waits:
                gate.view()
            raise JobCancelled("and no further")
        finally:
            closed.set()

    app.add_url_rule("/fails", "fails", lambda: Response(parts(waits=False)))
    app.add_url_rule("/left", "left", lambda: Response(stream_with_context(parts(waits=True))))
    with serving(app) as served:
        client = served.client()
        client.send(raw("/left"))
        assert gate.entered.acquire(timeout=WITHIN_S)
        client.sock.close()
        eventually(lambda: not gate.clients[0]())
        gate.open.set()
        assert closed.wait(WITHIN_S)
        with pytest.raises((ConnectionResetError, IncompleteRead)):
            served.client().ask("/fails").read()
    (line,) = [record for record in caplog.records if "broke off" in record.message]
    assert (line.levelname, line.error, line.exc_info) == ("WARNING", "job_cancelled", None)


# what is refused


@pytest.mark.parametrize("headers", [["Content-Length: 3000"], [CHUNKED]])
def test_a_body_over_the_limit_is_refused_before_it_has_come(app: Flask, headers: list[str]) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 2000
    with serving(app) as served:
        client = served.client()
        client.send(raw("/things", b"", *headers, method="POST"))
        if headers == [CHUNKED]:
            client.send(b"5dc\r\n" + b" " * 1500 + b"\r\n5dc\r\n" + b" " * 1500 + b"\r\n")
        error = error_of(client.answer())
        assert (error["status"], error["code"]) == (413, "too_large")
        assert "2000 bytes" in error["message"]
        client.send(b"x" * 500)
        assert client.closed()


def test_a_stranger_s_body_is_not_waited_for(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_API_KEY", "secret")
    with serving(make_app()) as served:
        stranger = served.client()
        stranger.send(raw("/things", b"", "Content-Length: 1000", method="POST"))
        assert error_of(stranger.answer())["code"] == "unauthorized"
        assert served.client().ask("/things", THING, "X-API-Key: secret").status == 200


def test_no_other_header_passes_for_one_of_ours(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_API_KEY", "secret")
    with serving(make_app()) as served:
        reply = served.client().ask(
            "/things", THING, "X_API_Key: secret", "SCRIPT_NAME: /x", "Script-Name: /y"
        )
        assert reply.status == 401


def test_nothing_of_a_malformed_request_reaches_a_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = served.client()
    client.send(
        raw("/things", b'{"name": "my secret text"}\r\n\r\n', "Content-Length: 2", "X-API-Key: my-secret")
    )
    assert error_of(client.answer())["code"] == "malformed_body"
    assert error_of(client.answer())["code"] == "malformed_request"
    eventually(lambda: "request refused" in caplog.text)
    assert "secret" not in caplog.text + " ".join(str(vars(record)) for record in caplog.records)


# slow clients


def test_a_head_that_does_not_come_whole_is_given_up(served: Served, client: Client) -> None:
    client.send(b"GET /health HT")
    eventually(lambda: served.phases() == ["receiving"])
    served.look(time.monotonic() + HEAD_S - 1)
    served.look(time.monotonic() + HEAD_S + 1)
    assert error_of(client.answer())["code"] == "request_timeout"
    assert client.closed()


def test_a_body_has_to_come_on(served: Served, client: Client) -> None:
    client.send(raw("/echo", b"half", "Content-Length: 1000"))
    eventually(lambda: served.phases() == ["receiving"])
    served.look(time.monotonic() + SLICE_S - 1)
    served.look(time.monotonic() + SLICE_S + 1)
    assert error_of(client.answer())["status"] == 408


def test_an_idle_connection_is_kept_for_longer_than_a_proxy_does(served: Served, client: Client) -> None:
    assert client.ask("/health").read()
    served.settle()
    served.look(time.monotonic() + 60)
    assert client.ask("/health").read()
    served.settle()
    served.look(time.monotonic() + IDLE_S + 1)
    assert client.closed()


def test_who_reads_no_reply_keeps_no_thread_and_is_given_up(app: Flask) -> None:
    with serving(app, threads=1) as served:
        slow = served.client()
        slow.send(raw("/large") * MORE_THAN_THE_KERNEL_TAKES)
        quick = served.client()
        assert len(quick.ask("/large").read()) == PIECE - 1000
        eventually(lambda: "flushing" in served.phases())
        late = (time.monotonic() + n * (STALLED_S + 1) for n in count())
        # at first the kernel still takes some of it
        eventually(lambda: served.look(next(late)) or "flushing" not in served.phases())
        assert slow.is_cut_off(MORE_THAN_THE_KERNEL_TAKES)


def test_a_stream_is_made_as_far_as_it_is_taken(app: Flask) -> None:
    tape = Tape()
    app.add_url_rule("/tape", "tape", tape.view)
    with serving(app) as served:
        client = served.client()
        client.send(raw("/tape"))
        eventually(lambda: tape.made > 10)
        made = -1
        while made != tape.made:  # until it makes no more
            made = tape.made
            threading.Event().wait(0.2)
        assert made < 10_000
        client.sock.close()
        assert tape.closed.wait(WITHIN_S)


def test_replies_that_nobody_reads_hold_no_thread_however_many_were_asked_for(app: Flask) -> None:
    with serving(app, threads=1) as served:
        greedy = [served.client() for _ in range(6)]
        for each in greedy:
            each.sock.setblocking(False)
            with suppress(BlockingIOError):
                each.send(raw("/health") * 3_000)
                each.send(raw("/large") * 100)
        for path in ("/health", "/large"):
            assert served.client().ask(path).read()


def test_replies_that_wait_in_memory_have_a_limit_together(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_UNSENT", 0)
    with serving(app) as served:
        slow = served.client()
        slow.send(raw("/large") * MORE_THAN_THE_KERNEL_TAKES)
        eventually(lambda: served.unsent() > 0)
        served.look(time.monotonic())
        assert served.unsent() == 0
        assert slow.is_cut_off(MORE_THAN_THE_KERNEL_TAKES)


def test_a_slow_client_that_is_told_so_and_resets_stops_no_clock(served: Served) -> None:
    late = time.monotonic() + HEAD_S + SLICE_S + 1
    for data in (b"GET /hea", raw("/echo", b"", "Content-Length: 10", method="HEAD")) * 20:
        client = served.client()
        client.send(data)
        eventually(lambda: "receiving" in served.phases())
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        resets = threading.Thread(target=lambda sock=client.sock: sock.recv(1) and sock.close())
        resets.start()
        served.look(late)
        resets.join(WITHIN_S)
    half = served.client()
    half.send(b"GET /hea")
    eventually(lambda: "receiving" in served.phases())
    served.look(late)
    assert error_of(half.answer())["status"] == 408


def test_tiny_chunks_let_others_have_their_turn(served: Served, client: Client) -> None:
    client.send(raw("/echo", b"", CHUNKED, method="POST") + b"1\r\nx\r\n" * 5_000 + b"0\r\n\r\n")
    assert served.client().ask("/health").read()
    assert client.answer().read() == b"x" * 5_000


def test_a_client_that_goes_away_is_missed(app: Flask) -> None:
    gate = Gate()
    app.add_url_rule("/gate", "gate", gate.view)
    with serving(app) as served:
        leaves, stays = served.client(), served.client()
        for each in (leaves, stays):
            each.send(raw("/gate"))
            assert gate.entered.acquire(timeout=WITHIN_S)
        leaves.sock.close()
        eventually(lambda: [connected() for connected in gate.clients] == [False, True])
        gate.open.set()
        assert stays.answer().status == 200


def test_who_sends_on_after_a_refusal_is_listened_to_for_a_while(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 2000
    with serving(app) as served:
        client = served.client()
        client.send(raw("/things", b"", "Content-Length: 100000000", method="POST"))
        for _ in range(100):
            client.send(b"x" * 100_000)
        assert client.answer().status == 413
        served.look(time.monotonic() + QUIET_S + 1)
        with pytest.raises(OSError, match=r"reset|pipe"):
            client.send(b"x" * 100_000_000)


# the end


def test_a_request_that_does_not_come_whole_does_not_hold_up_the_end(served: Served, client: Client) -> None:
    client.send(raw("/echo", b"half", "Content-Length: 1000"))
    eventually(lambda: served.phases() == ["receiving"])
    stopping = threading.Thread(target=served.stop)
    stopping.start()
    eventually(lambda: served.listener.stopping)
    served.look(time.monotonic() + RECEIVING_AT_THE_END_S + 1)
    assert error_of(client.answer())["code"] == "engine_unavailable"
    served.look(time.monotonic() + RECEIVING_AT_THE_END_S + 2)
    stopping.join(WITHIN_S)
    assert not stopping.is_alive()


def test_requests_in_hand_are_answered_before_the_end(app: Flask) -> None:
    gate = Gate()
    app.add_url_rule("/gate", "gate", gate.view)
    with serving(app) as served:
        idle, waiting = served.client(), served.client()
        assert idle.ask("/health").read()
        waiting.send(raw("/gate"))
        assert gate.entered.acquire(timeout=WITHIN_S)
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        eventually(lambda: served.listener.stopping)
        served.look(time.monotonic() + 2)
        assert idle.closed()
        gate.open.set()
        reply = waiting.answer()
        assert (reply.headers["Connection"], json.loads(reply.read())) == ("close", {"waited": True})
        assert waiting.closed()
        served.look(time.monotonic() + QUIET_S + 1)
        stopping.join(WITHIN_S)
        assert not stopping.is_alive()


def test_what_is_to_be_done_when_a_client_goes_away_is_done_once_and_while_its_request_is_in_hand(
    make_app: MakeApp,
) -> None:
    app, leaving = make_app(), Leaving()
    app.add_url_rule("/leaving", view_func=leaving.view)
    app.add_url_rule("/at-once", view_func=leaving.at_once)
    with serving(app) as served:
        staying = served.client()
        assert json.loads(staying.ask("/at-once").read()) == {"told": 0}
        served.settle()
        staying.sock.close()  # its reply was made: nobody is told
        client = served.client()
        client.send(raw("/leaving"))
        assert leaving.entered.acquire(timeout=WITHIN_S)
        assert not leaving.gone.is_set()
        client.sock.close()
        assert leaving.gone.wait(WITHIN_S)
        served.settle()
        assert leaving.told == 1


def test_what_fails_when_a_client_goes_away_is_logged(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app, gate = make_app(), Gate()

    def view() -> dict[str, bool]:
        on_leave()(lambda: 1 / 0)
        return gate.view()

    app.add_url_rule("/failing", view_func=view)
    with serving(app) as served:
        client = served.client()
        client.send(raw("/failing"))
        assert gate.entered.acquire(timeout=WITHIN_S)
        client.sock.close()
        eventually(lambda: "could not be cleared up" in caplog.text)
        gate.open.set()
