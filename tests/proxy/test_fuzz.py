"""What nobody would send, and what no server would answer: each has a typed answer, and none is a defect."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.proxy.browsing import Browser

KNOWN = ("input", "texts", "text", "audio", "words", "format", "model", "priority", "application_id", "s3")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=8), VALUES, max_size=6)
BODIES = st.binary(max_size=200) | (OBJECTS | VALUES).map(json.dumps).map(str.encode)
PATHS = ("speech", "tts-generate", "transcribe", "align", "subtitles", "encode?sample_rate=8000", "start")
KINDS = ("application/json", "multipart/form-data; boundary=b", "multipart/form-data", "text/plain", "")
NAMES = ("Idempotency-Key", "Last-Event-ID", "Accept", "X-Forwarded-For", "Cookie", "Range", "X-CSRF-Token")
HEADERS = st.dictionaries(
    st.sampled_from(NAMES),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30),
    max_size=3,
)


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES, path=st.sampled_from(PATHS), kind=st.sampled_from(KINDS), headers=HEADERS)
def test_every_request_has_a_typed_answer(browser, toy, body, path, kind, headers):
    toy.does = lambda talk: talk.whole(b'{"results": []}')
    reply = browser.post(f"/api/{path}", headers, data=body, content_type=kind)
    assert reply.status_code not in (500, 501)
    if reply.status_code >= 400:
        error = reply.json["error"]
        assert error["code"]
        assert error["message"]
        assert error["request_id"]


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(reply=st.binary(max_size=300))
def test_whatever_a_server_answers_is_understood_or_a_typed_error(browser, toy, reply):
    toy.does = lambda talk: talk.send(reply)
    said = browser.post("/api/speech", json={"input": "a"})
    assert (said.status_code, said.json["error"]["code"]) == (502, "upstream_failed")


@pytest.fixture
def browser(app) -> Browser:
    return Browser(app)
