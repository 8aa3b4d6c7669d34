"""What goes on to the servers in a visitor's place, and what comes back."""

from __future__ import annotations

import io
import json
from email.parser import BytesParser

import pytest

from tests.proxy.browsing import Browser
from tests.proxy.conftest import KEY

PCM = b"\1\0\2\0"


@pytest.fixture
def browser(app, toy) -> Browser:
    return Browser(app)


def code(reply):
    return reply.json["error"]["code"]


def form_of(asked):
    """The parts of a form that came, by name."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + asked.body).get_payload()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts
    }


# speaking


def test_a_text_goes_on_marked_as_the_visitors(browser, toy):
    toy.does = lambda talk: talk.whole(
        PCM, "audio/pcm", more="X-Model: espeak/espeak-ng\r\nX-Voice: default\r\n"
    )
    body = {"input": "Hello.", "response_format": "pcm", "application_id": "somebody"}
    reply = browser.post("/api/speech?from=0", {"X-Request-ID": "mine"}, json=body)
    assert (reply.status_code, reply.data) == (200, PCM)
    assert (reply.headers["X-Model"], reply.headers["X-Voice"]) == ("espeak/espeak-ng", "default")
    assert reply.headers["X-Request-ID"] == "mine"
    asked = toy.last()
    assert asked.line == "POST /tts/v1/audio/speech?from=0 HTTP/1.1"
    assert (asked.headers["x-api-key"], asked.headers["x-request-id"]) == (KEY, "mine")
    sent = json.loads(asked.body)
    assert sent.pop("application_id").startswith("page-")
    assert sent == {"input": "Hello.", "response_format": "pcm"}


def test_nothing_of_the_browser_goes_on_but_what_the_server_needs(browser, toy):
    toy.does = lambda talk: talk.whole(PCM, "audio/pcm")
    browser.post(
        "/api/speech",
        {
            "X-API-Key": "mine",
            "Authorization": "Bearer mine",
            "X-Skylark-Owner": "root",
            "Last-Event-ID": "7",
        },
        json={"input": "a"},
    )
    names = set(toy.last().headers)
    assert names == {
        "host", "user-agent", "accept-encoding", "connection", "content-type", "content-length",
        "x-api-key", "x-request-id", "last-event-id",
    }  # fmt: skip
    assert toy.last().headers["x-api-key"] == KEY


def test_a_visitor_names_requests_of_their_own_only(app, toy):
    toy.does = lambda talk: talk.whole(PCM, "audio/pcm")
    for browser in (Browser(app), Browser(app)):
        browser.post("/api/speech", {"Idempotency-Key": "take/1"}, json={"input": "a"})
    first, second = [asked.headers["idempotency-key"] for asked in toy.asked]
    assert first != second
    assert first.endswith("/take/1")
    assert first.partition("/")[0] == json.loads(toy.asked[0].body)["application_id"].removeprefix("page-")


@pytest.mark.parametrize("key", ["", "x" * 180])
def test_a_name_that_is_none_is_an_error(browser, toy, key):
    reply = browser.post("/api/speech", {"Idempotency-Key": key}, json={"input": "a"})
    assert (reply.status_code, reply.json["error"]["param"]) == (422, "Idempotency-Key")
    assert toy.asked == []


def test_the_longest_name_is_taken(browser, toy):
    toy.does = lambda talk: talk.whole(PCM, "audio/pcm")
    assert browser.post("/api/speech", {"Idempotency-Key": "x" * 179}, json={"input": "a"}).status_code == 200
    assert len(toy.last().headers["idempotency-key"]) == 192


@pytest.mark.parametrize("path", ["/api/tts-generate", "/api/generate_batch"])
def test_texts_are_spoken_in_one_reply(browser, toy, path):
    toy.does = lambda talk: talk.whole(b'{"results": [], "model": "espeak-ng"}')
    reply = browser.post(path, json={"texts": ["Hello.", "World."]})
    assert reply.json == {"results": [], "model": "espeak-ng"}
    assert toy.last().line == "POST /tts/generate_batch HTTP/1.1"
    assert json.loads(toy.last().body)["texts"] == ["Hello.", "World."]


def test_voices_are_the_servers(browser, toy):
    told = {
        "voices": [{"id": "ida", "name": "ida", "languages": []}],
        "models": [{"model": "a/b", "languages": ["de"]}],
    }
    toy.does = lambda talk: talk.whole(json.dumps(told).encode())
    assert browser.get("/api/voices?model=a/b&refresh=1").json == told
    assert toy.last().line == "GET /tts/v1/voices?model=a%2Fb HTTP/1.1"


@pytest.mark.parametrize(
    "told",
    [
        {"status": "ok"},
        {"voices": 7, "models": []},
        {"voices": [{"id": "ida"}], "models": []},
        {"voices": [], "models": [{"model": "a/b", "languages": "de"}]},
    ],
)
def test_what_lists_no_voices_is_a_typed_error_with_a_sentence(browser, toy, told):
    toy.does = lambda talk: talk.whole(json.dumps(told).encode())
    reply = browser.get("/api/voices")
    assert (reply.status_code, code(reply)) == (502, "upstream_failed")
    assert reply.json["error"]["message"].startswith("the server that speaks answered")


@pytest.mark.parametrize(("path", "door"), [("health", "tts"), ("whisperx/health", "whisperx")])
def test_their_health_is_the_servers(client, toy, path, door):
    toy.does = lambda talk: talk.whole(b'{"status": "ok"}')
    assert client.get(f"/api/{path}").json == {"status": "ok"}
    assert toy.last().line == f"GET /{door}/health HTTP/1.1"


# listening


@pytest.mark.parametrize("path", ["transcribe", "align"])
def test_a_form_goes_on_with_its_recording(browser, toy, path):
    toy.does = lambda talk: talk.whole(b'{"words": []}')
    recording = bytes(range(256)) * 1_000
    fields = {"text": "Größe", "application_id": "somebody", "file": (io.BytesIO(recording), 'a"b.wav')}
    reply = browser.post(f"/api/{path}", {"Accept": "application/x-ndjson"}, data=fields)
    assert reply.json == {"words": []}
    asked = toy.last()
    assert asked.line == f"POST /whisperx/{path} HTTP/1.1"
    assert asked.headers["accept"] == "application/x-ndjson"
    parts = form_of(asked)
    assert parts.keys() == {"text", "application_id", "file"}
    assert parts["file"] == recording
    assert parts["text"].decode() == "Größe"
    assert parts["application_id"].startswith(b"page-")


@pytest.mark.parametrize("task", ["transcribe_batch", "align_batch"])
def test_several_recordings_go_on_and_their_texts_count(strangers, toy, task):
    toy.does = lambda talk: talk.whole(b'{"results": []}')
    items = [{"audio": "AAAA", "text": "a" * 30}, {"audio": "AAAA", "text": "b" * 20}]
    before = strangers.left()["characters_left"]
    assert strangers.post(f"/api/whisperx/{task}", json={"items": items}).json == {"results": []}
    assert toy.last().line == f"POST /whisperx/{task} HTTP/1.1"
    assert json.loads(toy.last().body)["items"] == items
    assert strangers.left()["characters_left"] == before - 50


@pytest.mark.parametrize("items", [None, 7, [7], [{"text": 7}]])
def test_what_are_no_recordings_is_the_servers_to_refuse(browser, toy, items):
    error = {"code": "invalid_request", "message": "items", "param": "items"}
    toy.does = lambda talk: talk.whole(json.dumps({"error": error}).encode(), status="422 No")
    reply = browser.post("/api/whisperx/align_batch", json={"items": items})
    assert (reply.status_code, code(reply)) == (422, "invalid_request")


def test_a_recording_may_come_as_json(browser, toy):
    toy.does = lambda talk: talk.whole(b"1\n00:00:00,000", "application/x-subrip; charset=utf-8")
    reply = browser.post("/api/transcribe", json={"audio": "AAAA", "format": "srt"})
    assert (reply.data, reply.content_type) == (b"1\n00:00:00,000", "application/x-subrip; charset=utf-8")
    assert json.loads(toy.last().body).keys() == {"audio", "format", "application_id"}


# what is not for strangers to say


@pytest.fixture
def strangers(make_app) -> Browser:
    return Browser(
        make_app(
            SKYLARK_PROXY__HOST="0.0.0.0",
            SKYLARK_PROXY__CHARACTERS_PER_DAY="100",
            SKYLARK_PROXY__RECORDING_MB_PER_DAY="1",
        )
    )


@pytest.mark.parametrize("field", [{"priority": 0}, {"output": "s3"}, {"s3": {"bucket": "theirs"}}])
def test_strangers_cannot_go_first_nor_fill_a_bucket(strangers, browser, toy, field):
    reply = strangers.post("/api/speech", json={"input": "a"} | field)
    assert (reply.status_code, code(reply)) == (403, "forbidden")
    assert reply.json["error"]["param"] == next(iter(field))
    assert toy.asked == []


def test_who_is_at_this_machine_can(browser, toy):
    toy.does = lambda talk: talk.whole(PCM, "audio/pcm")
    assert browser.post("/api/speech", json={"input": "a", "priority": 0}).status_code == 200


# what is wrong with the servers


@pytest.mark.parametrize(
    ("status", "more", "body"),
    [
        (
            "503 Service Unavailable",
            "Retry-After: 60\r\n",
            {"code": "machine_off", "message": "off", "param": None},
        ),
        (
            "422 Unprocessable",
            "",
            {"code": "unknown_voice", "message": "there are ida, otto", "param": "voice"},
        ),
        (
            "429 Too Many",
            "Retry-After: 2\r\n",
            {"code": "queue_full", "message": "busy", "type": "rate_limit_error"},
        ),
    ],
)
def test_an_error_passes_as_the_server_said_it(browser, toy, status, more, body):
    toy.does = lambda talk: talk.whole(json.dumps({"error": body}).encode(), status=status, more=more)
    reply = browser.post("/api/speech", json={"input": "a"})
    assert (reply.status_code, reply.json) == (int(status[:3]), {"error": body})
    assert reply.headers.get("Retry-After") == (more.split()[1] if more else None)


BROKEN = {
    "a refused key": (lambda talk: talk.whole(b"{}", status="401 Unauthorized"), 502, "upstream_refused"),
    "a redirect": (
        lambda talk: talk.whole(b"", status="307 Temporary", more="Location: http://127.0.0.1:1/\r\n"),
        502,
        "upstream_failed",
    ),
    "a page": (lambda talk: talk.whole(b"<html>", "text/html"), 502, "upstream_failed"),
    "a gateway's page": (
        lambda talk: talk.whole(b"<html>", "text/html", status="504 Gateway Time-out"),
        502,
        "upstream_failed",
    ),
    "an error without a code": (
        lambda talk: talk.whole(b'{"error": "no"}', status="500 Error"),
        502,
        "upstream_failed",
    ),
    "no HTTP": (lambda talk: talk.send(b"\x16\x03\x01\x02\0\1\0"), 502, "upstream_failed"),
    "nothing": (lambda talk: None, 502, "upstream_failed"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("path", ["speech", "tts-generate", "transcribe", "align"])
def test_a_server_that_is_broken_is_a_typed_error_with_a_sentence(browser, toy, path, broken):
    toy.does, status, name = BROKEN[broken]
    reply = browser.post(f"/api/{path}", json={"input": "a", "texts": [], "audio": "", "text": ""})
    assert (reply.status_code, code(reply)) == (status, name)
    assert reply.json["error"]["message"].startswith("the server that ")
    assert reply.json["error"]["request_id"] == reply.headers["X-Request-ID"]
    assert len(toy.asked) == 1


def test_neither_the_servers_cookies_nor_its_name_come_through(browser, toy):
    more = "Set-Cookie: a=b\r\nServer: secret\r\nX-API-Key: " + KEY + "\r\nAccess-Control-Allow-Origin: *\r\n"
    toy.does = lambda talk: talk.whole(PCM, "audio/pcm", more=more)
    headers = browser.post("/api/speech", json={"input": "a"}).headers
    assert not {"Set-Cookie", "Server", "X-API-Key", "Access-Control-Allow-Origin"} & set(headers.keys())


# bodies


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{", 400, "malformed_body"),
        (b"[]", 422, "invalid_request"),
        (b"\xff\xfe", 400, "malformed_body"),
        (b"[" * 100_000, 400, "malformed_body"),
        (b'{"input": "' + b"x" * 5_000_000 + b'"}', 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_is_refused_here(browser, toy, body, status, name):
    reply = browser.post("/api/speech", data=body, content_type="application/json")
    assert (reply.status_code, code(reply)) == (status, name)
    assert toy.asked == []


@pytest.mark.parametrize("path", ["/api/tts-generate", "/api/transcribe", "/api/subtitles"])
def test_json_that_would_fill_the_memory_is_not_read(browser, toy, path):
    body = b'{"audio": "' + b"x" * 33_000_000 + b'"}'
    reply = browser.post(path, data=body, content_type="application/json")
    assert (reply.status_code, code(reply)) == (413, "too_large")
    assert toy.asked == []
