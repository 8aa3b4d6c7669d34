"""Samples and timed words as files."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.proxy.browsing import Browser

TONE = (np.sin(np.arange(22_050) * 440 * 2 * np.pi / 22_050) * 10_000).astype("<i2")
WORDS = [{"word": "Hello", "start": 0.0, "end": 0.4}, {"word": "world.", "start": 0.5, "end": 1.0}]


@pytest.fixture
def browser(app) -> Browser:
    return Browser(app)


@pytest.mark.parametrize(
    ("format", "kind"),
    [("wav", "audio/wav"), ("flac", "audio/flac"), ("mp3", "audio/mpeg"), ("opus", "audio/ogg")],
)
def test_samples_become_a_file(browser, format, kind):
    reply = browser.post(f"/api/encode?format={format}&sample_rate=22050", data=TONE.tobytes())
    assert (reply.status_code, reply.content_type) == (200, kind)
    assert reply.content_length == len(reply.data)
    samples, rate = soundfile.read(io.BytesIO(reply.data), dtype="int16")
    assert len(samples) / rate == pytest.approx(1.0, abs=0.1)
    if format in ("wav", "flac"):
        assert (samples == TONE).all()
        assert rate == 22_050


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("format=mp3&sample_rate=22050", b"abc", 400, "malformed_body"),
        ("format=exe&sample_rate=22050", b"ab", 422, "invalid_request"),
        ("format=mp3", b"ab", 422, "invalid_request"),
        ("format=wav&sample_rate=0", b"ab", 422, "invalid_request"),
        ("format=wav&sample_rate=1e9", b"ab", 422, "invalid_request"),
        ("format=wav&sample_rate=1000", b"ab" * 1_900_000, 413, "audio_too_long"),
    ],
)
def test_samples_that_cannot_be_are_refused(browser, query, body, status, code):
    reply = browser.post(f"/api/encode?{query}", data=body)
    assert (reply.status_code, reply.json["error"]["code"]) == (status, code)


def test_nothing_becomes_an_empty_file(browser):
    reply = browser.post("/api/encode?format=wav&sample_rate=8000", data=b"")
    assert soundfile.info(io.BytesIO(reply.data)).frames == 0


def test_words_become_subtitles(browser):
    reply = browser.post("/api/subtitles", json={"words": WORDS, "format": "srt"})
    assert reply.content_type == "application/x-subrip; charset=utf-8"
    assert reply.text.startswith("1\n00:00:00,000 --> ")
    assert "Hello world." in reply.text
    vtt = browser.post("/api/subtitles", json={"words": WORDS, "format": "vtt", "language": "en"})
    assert (vtt.content_type, vtt.text[:6]) == ("text/vtt; charset=utf-8", "WEBVTT")


@pytest.mark.parametrize(
    "body",
    [
        {"words": WORDS},
        {"words": WORDS, "format": "docx"},
        {"words": [{"word": "a"}], "format": "srt"},
        {"words": "Hello", "format": "srt"},
        {"words": WORDS, "format": "srt", "more": 1},
    ],
)
def test_words_that_cannot_be_are_refused(browser, body):
    reply = browser.post("/api/subtitles", json=body)
    assert (reply.status_code, reply.json["error"]["code"]) == (422, "invalid_request")


TIMES = st.floats(min_value=0, max_value=1_000_000)
TIMED = st.fixed_dictionaries({"word": st.text(max_size=12), "start": TIMES, "end": TIMES})


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(TIMED, max_size=8), format=st.sampled_from(["srt", "vtt"]))
def test_words_in_any_order_become_subtitles(browser, words, format):
    reply = browser.post("/api/subtitles", json={"words": words, "format": format})
    assert reply.status_code == 200


@pytest.mark.parametrize("time", [-1, 1e7, 1e308, "1"])
def test_times_that_no_recording_has_are_refused(browser, time):
    words = [{"word": "a", "start": 0, "end": time}]
    reply = browser.post("/api/subtitles", json={"words": words, "format": "srt"})
    assert (reply.status_code, reply.json["error"]["param"]) == (422, "words.0.end")
