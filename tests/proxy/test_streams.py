"""Replies that pass through as they come, by a real proxy process; and browsers that go away."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from servers.errors import TooManyStreams
from servers.proxy.streams import Streams
from servers.proxy.visitors import Visitor as Known
from servers.settings import Proxy as Settings
from tests.acceptance.processes import eventually
from tests.proxy.conftest import KEY, write_config
from tests.proxy.process import Proxy, Visitor, running_proxy
from tests.proxy.toy_upstream import Toy, toy_upstream

TEXT = {"input": "Hello."}
EVENTS = "text/event-stream; charset=utf-8"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Toy]:
    with toy_upstream() as toy:
        yield toy


@pytest.fixture(scope="module")
def proxy(upstream: Toy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    config = write_config(folder, upstream)
    with running_proxy(folder, SKYLARK_PROXY__SERVER_CONFIG=str(config)) as proxy:
        yield proxy


@pytest.fixture
def visitor(proxy: Proxy, upstream: Toy) -> Iterator[Visitor]:
    upstream.asked.clear()
    visitor = Visitor(proxy.url)
    yield visitor
    visitor.http.close()


def test_each_event_is_there_when_it_was_sent(visitor, upstream):
    heard = threading.Event()

    def speak(talk):
        talk.head(EVENTS)
        for number in range(3):
            talk.chunk(b"data: %d\n\n" % number)
            assert heard.wait(20)  # the next one is sent once this one was heard
            heard.clear()
        talk.end()

    upstream.does = speak
    with visitor.post("/api/speech", json=TEXT, stream=True) as reply:
        assert reply.headers["Content-Type"] == EVENTS
        assert reply.headers["X-Accel-Buffering"] == "no"
        lines = []
        for line in reply.iter_lines():
            if line:
                lines.append(line)
                heard.set()
    assert lines == [b"data: 0", b"data: 1", b"data: 2"]


@pytest.mark.parametrize("path", ["/api/speech", "/api/tts-generate", "/api/transcribe", "/api/align"])
@pytest.mark.parametrize("begun", [False, True], ids=["before the first byte", "in the middle"])
def test_a_browser_that_goes_away_ends_the_connection_to_the_server(visitor, upstream, path, begun):
    begins = threading.Event()

    def wait(talk):
        if begun:
            talk.head("application/json" if path != "/api/speech" else EVENTS)
            talk.chunk(b"data")
        begins.set()
        talk.wait_until_gone()

    upstream.does = wait
    with visitor.begin(path, b'{"input": "a", "texts": ["a"], "audio": "AAAA", "text": "a"}') as sock:
        assert begins.wait(20)
        if begun:
            assert sock.recv(1_000)
    assert upstream.last().gone.wait(20)


def test_who_goes_away_has_used_what_was_begun(tmp_path, upstream):
    limits = {"SKYLARK_PROXY__CHARACTERS_PER_DAY": "100", "SKYLARK_PROXY__SERVER_CONFIG": str(tmp_path / "c")}
    write_config(tmp_path, upstream).rename(tmp_path / "c")
    upstream.asked.clear()
    upstream.does = lambda talk: talk.wait_until_gone()
    with running_proxy(tmp_path, **limits) as proxy:
        visitor = Visitor(proxy.url)
        with visitor.begin("/api/speech", b'{"input": "hello"}'):
            upstream.last()
        eventually(lambda: '"/api/speech"' in proxy.log.read_text(), "the request has ended")
        assert visitor.get("/api/visitor").json()["limits"]["characters_left"] == 95
        visitor.http.close()


def test_what_breaks_off_breaks_off_for_the_page_too(visitor, upstream):
    def break_off(talk):
        talk.head(EVENTS)
        talk.chunk(b"data: 0\n\n")
        talk.send(b"100\r\nhalf")

    upstream.does = break_off
    with (
        visitor.post("/api/speech", json=TEXT, stream=True) as reply,
        pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)),
    ):
        list(reply.iter_content(None))


def test_a_whole_reply_that_breaks_off_is_not_taken_for_whole(visitor, upstream):
    upstream.does = lambda talk: talk.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        visitor.post("/api/tts-generate", json={"texts": ["a"]})


def test_a_large_recording_passes_through(visitor, upstream):
    recording = bytes(range(256)) * 40_000
    upstream.does = lambda talk: talk.whole(b'{"words": []}')
    reply = visitor.post("/api/transcribe", files={"file": ("a.wav", recording, "audio/wav")})
    assert reply.json() == {"words": []}
    assert recording in upstream.last().body


def test_a_recording_that_is_too_large_is_refused_before_it_is_sent(visitor, upstream):
    with visitor.begin("/api/transcribe", promised=2_000_000_000) as sock:
        assert b" 413 " in sock.recv(10_000).split(b"\r\n")[0]
    assert upstream.asked == []


def test_a_visitor_has_so_many_replies_in_hand_and_no_more(visitor, upstream):
    upstream.does = lambda talk: (talk.head(EVENTS), talk.chunk(b"data: 0\n\n"), talk.wait_until_gone())
    open_ones = [visitor.post("/api/speech", json=TEXT, stream=True) for _ in range(8)]
    refused = visitor.post("/api/speech", json=TEXT)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_streams")
    assert refused.headers["Retry-After"] == "5"
    for each in open_ones:
        each.close()
    upstream.does = lambda talk: talk.whole(b"\0\0", "audio/pcm")
    eventually(lambda: visitor.post("/api/speech", json=TEXT).ok, "their places are free again")


def test_who_opens_a_thousand_event_streams_gets_eight_and_takes_nobodys_place(proxy, visitor, upstream):
    upstream.does = lambda talk: talk.whole(b"{}")
    with ExitStack() as all_open:
        socks = [all_open.enter_context(visitor.begin("/api/events", method="GET")) for _ in range(1_000)]
        statuses = Counter(sock.recv(12) for sock in socks)
        assert statuses == {b"HTTP/1.1 200": 8, b"HTTP/1.1 429": 992}
        other = Visitor(proxy.url)
        with other.begin("/api/events", method="GET") as sock:
            assert sock.recv(12) == b"HTTP/1.1 200"
        other.http.close()


def test_the_key_is_in_no_reply_no_log_and_no_cookie(proxy, visitor, upstream):
    upstream.does = lambda talk: talk.whole(b'{"error": {}}', status="500 Error")
    paths = ["", "api/visitor", "server_config.json", "api/voices", "api/health", "openapi.json", "metrics"]
    replies = [visitor.get(f"/{path}") for path in (*paths, "nowhere", "page/style.css")]
    replies += [visitor.post(f"/api/{path}", json=TEXT) for path in ("speech", "tts-generate", "align")]
    assert any(asked.headers["x-api-key"] == KEY for asked in upstream.asked)
    for reply in replies:
        assert KEY not in reply.text + str(reply.headers) + str(reply.cookies), reply.url
    assert KEY not in proxy.log.read_text(encoding="utf-8")


def test_the_secret_is_its_owners_alone(proxy):
    file = Path(proxy.process.log).parent / "proxy.secret"
    assert file.stat().st_mode & 0o777 == 0o600


# the counting itself


def known(name: str, address: str) -> Known:
    return Known(name, address, has_cookie=True)


def test_an_address_has_so_many_replies_in_hand_as_so_many_visitors():
    streams = Streams(Settings(max_streams=2, per_address=2))
    leave = [streams.enter(known(str(number), "a")) for number in range(4)]
    with pytest.raises(TooManyStreams, match="at your address"):
        streams.enter(known("another", "a"))
    streams.enter(known("another", "b"))
    leave[0]()
    streams.enter(known("another", "a"))


def test_some_threads_are_left_for_what_is_answered_at_once():
    streams = Streams(Settings(threads=8, max_streams=8, per_address=10))
    for number in range(6):
        streams.enter(known(str(number), str(number)))
    with pytest.raises(TooManyStreams, match="many visitors"):
        streams.enter(known("7", "7"))
