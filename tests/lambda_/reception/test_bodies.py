"""What is looked at of a body before it is accepted."""

from __future__ import annotations

import json

import pytest

from appliance.exchange import InvalidRequest, MalformedBody
from reception.bodies import announced, check_body, check_key, check_line, digest_of, priority_of
from reception.refusals import TooLarge

JSON = "application/json"
JOB = {"model_type": "espeak", "payload": {"text": "Hello."}}


def form(boundary: str, **fields: bytes) -> tuple[str, bytes]:
    parts = b"".join(
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (boundary.encode(), name.encode(), value)
        for name, value in fields.items()
    )
    return f"multipart/form-data; boundary={boundary}", parts + b"--%b--\r\n" % boundary.encode()


@pytest.mark.parametrize(
    ("path", "body", "priority"),
    [
        ("/v1/tts", {"text": "x"}, 10),
        ("/v1/tts", {"text": "x", "priority": 0}, 0),
        ("/generate_batch", {"texts": [], "priority": 1_000_000}, 1_000_000),
        ("/v1/tts", {"priority": -1}, 10),
        ("/v1/tts", {"priority": 1_000_001}, 10),
        ("/v1/tts", {"priority": "0"}, 10),
        ("/v1/tts", {"priority": True}, 10),
        ("/v1/tts", {"priority": 1.5}, 10),
        ("/v1/tts", [1], 10),
        ("/jobs", JOB | {"priority": 3}, 3),
        ("/jobs/batch", {"jobs": [JOB | {"priority": 30}, JOB | {"priority": 20}]}, 20),
        ("/jobs/batch", {"jobs": [JOB, JOB | {"priority": 20}]}, 10),
        ("/jobs/batch", {"jobs": []}, 10),
        ("/jobs/batch", {"jobs": [1]}, 10),
    ],
)
def test_the_priority_is_the_bodys_own(path, body, priority):
    assert priority_of(path, JSON, json.dumps(body).encode()) == priority


def test_a_form_has_its_priority_too():
    kind, body = form("b", file=b"RIFF\x00\xff\r\n--", priority=b"4")
    assert priority_of("/transcribe", kind, body) == 4
    kind, body = form("b", file=b"RIFF", text=b"priority 4")
    assert priority_of("/transcribe", kind, body) == 10
    assert priority_of("/v1/tts", "application/x-www-form-urlencoded", b"text=x&priority=7") == 7
    assert priority_of("/v1/tts", "application/x-www-form-urlencoded", b"priority=&text=%ff") == 10


def test_a_job_is_json_whatever_curl_says_of_it():
    kind, body = "application/x-www-form-urlencoded", json.dumps(JOB | {"priority": 2}).encode()
    check_body("/jobs", kind, body)
    assert priority_of("/jobs", kind, body) == 2


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/jobs", "", b""),
        ("/jobs", "", b"{"),
        ("/jobs", JSON, b"[]"),
        ("/jobs", JSON, b"[" * 100_000),
        ("/jobs/batch", JSON, b"{}"),
        ("/jobs/batch", JSON, b'{"jobs": {}}'),
        ("/v1/tts", JSON, b"{"),
        ("/v1/tts", "Application/JSON; charset=utf-8", b"\xff"),
    ],
)
def test_what_is_no_json_is_refused_at_once(path, kind, body):
    with pytest.raises(MalformedBody):
        check_body(path, kind, body)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/transcribe", "multipart/form-data; boundary=b"), ("/v1/tts", ""), ("/align", "audio/wav")],
)
def test_what_is_not_said_to_be_json_is_the_doors_to_read(path, kind):
    check_body(path, kind, b"\xff\x00")


def test_a_form_that_is_sent_again_is_the_same_whatever_its_boundary():
    first, again, other = (
        form(name, file=value) for name, value in (("b1", b"RIFF"), ("c2", b"RIFF"), ("b1", b"x"))
    )
    assert digest_of("/transcribe", *first) == digest_of("/transcribe", *again)
    assert digest_of("/transcribe", *first) != digest_of("/transcribe", *other)
    quoted = ('multipart/form-data; boundary="b1"', first[1])
    assert digest_of("/transcribe", *quoted) == digest_of("/transcribe", *first)


@pytest.mark.parametrize(
    "other", [("/v1/tts?a=1", JSON, b"{}"), ("/v1/tts", "", b"{}"), ("/v1/tts", JSON, b"{ }")]
)
def test_another_path_type_or_body_is_another_request(other):
    assert digest_of(*other) != digest_of("/v1/tts", JSON, b"{}")


@pytest.mark.parametrize("key", ["a", "chapter-1 of 2", "x" * 192])
def test_a_key_may_be(key):
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["", "x" * 193, "é", "a\nb"])
def test_a_key_may_not_be(key):
    with pytest.raises(InvalidRequest) as refused:
        check_key(key)
    assert refused.value.param == "Idempotency-Key"


def test_only_what_the_machine_needs_is_kept_of_the_headers():
    headers = {"content-type": JSON, "accept": "audio/wav", "x-api-key": "secret", "cookie": "a", "host": "h"}
    assert check_line("/v1/tts", headers) == {"content-type": JSON, "accept": "audio/wav"}


@pytest.mark.parametrize(
    ("target", "headers", "param"),
    [
        ("/v1/tts?" + "x" * 2_000, {}, "path"),
        ("/v1/tts?a=1\r\nX-Skylark-Owner: bob", {}, "path"),
        ("/v1/tts?a b", {}, "path"),
        ("/v1/tts?é", {}, "path"),
        ("/v1/tts", {"accept": "x" * 1_001}, "accept"),
        ("/v1/tts", {"content-type": "a\r\nX-Skylark-Owner: bob"}, "content-type"),
    ],
)
def test_what_is_too_long_or_no_line_is_refused(target, headers, param):
    with pytest.raises(InvalidRequest) as refused:
        check_line(target, headers)
    assert refused.value.param == param


def test_an_announcement_says_what_comes():
    body = {
        "method": "POST",
        "path": "/whisperx/transcribe?x=1",
        "headers": {"Content-Type": "a/b"},
        "bytes": 5,
    }
    assert announced(body) == ("/whisperx/transcribe?x=1", {"content-type": "a/b"}, 5, 10)
    assert announced({"path": "/jobs", "bytes": 1, "priority": 0})[3] == 0


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"method": "GET"}, "method"),
        ({"path": "/v1/voices"}, "path"),
        ({"path": "http://elsewhere/v1/tts"}, "path"),
        ({"path": None}, "path"),
        ({"headers": []}, "headers"),
        ({"headers": {"a": 1}}, "headers"),
        ({"bytes": 0}, "bytes"),
        ({"bytes": "5"}, "bytes"),
        ({"bytes": True}, "bytes"),
        ({"bytes": None}, "bytes"),
        ({"priority": -1}, "priority"),
        ({"priority": 0.5}, "priority"),
        ({"size": 5}, "size"),
    ],
)
def test_an_announcement_that_cannot_be_names_its_field(change, param):
    with pytest.raises(InvalidRequest) as refused:
        announced({"path": "/transcribe", "bytes": 5} | change)
    assert refused.value.param == param


def test_an_upload_has_a_limit():
    with pytest.raises(TooLarge, match="256000000 bytes"):
        announced({"path": "/transcribe", "bytes": 256_000_001})
