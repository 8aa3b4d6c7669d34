"""What a client wants, by its request's method, path and headers."""

from __future__ import annotations

import pytest

from appliance.exchange import MethodNotAllowed, NotFound, read
from reception.wishes import Wants, is_work, prefers_async, wish
from servers.tts.app import create_app as tts
from servers.whisperx.app import create_app as whisperx
from tests.web import fixtures

configure = fixtures.configure
ID = "0" * 32
UUID = "00000000-0000-0000-0000-000000000001"


def wanted(method: str, path: str, prefer: str = "") -> str:
    return wish(read({"httpMethod": method, "path": path, "headers": {"Prefer": prefer}})).wants


@pytest.mark.parametrize(
    ("method", "path", "wants"),
    [
        ("POST", "/accepted", Wants.ANNOUNCE),
        ("POST", "/accepted/", Wants.ANNOUNCE),
        ("GET", f"/accepted/{ID}", Wants.STATUS),
        ("HEAD", f"/accepted/{ID}", Wants.STATUS),
        ("GET", f"/accepted/{UUID}", Wants.STATUS),
        ("DELETE", f"/accepted/{ID}", Wants.WITHDRAW),
        ("POST", f"/accepted/{ID}/uploaded", Wants.UPLOADED),
        ("GET", "/health", Wants.HEALTH),
        ("GET", "/ready", Wants.HEALTH),
        ("GET", "/tts/health", Wants.HEALTH),
        ("GET", "/whisperx/ready", Wants.HEALTH),
        ("POST", "/jobs", Wants.LATER),
        ("POST", "/jobs/batch", Wants.LATER),
        ("POST", "/jobs/", Wants.LATER),
        ("GET", f"/jobs/{UUID}", Wants.JOB),
        ("DELETE", f"/jobs/{UUID}", Wants.NOW),
        ("POST", "/jobs/stream", Wants.NOW),
        ("GET", f"/jobs/{UUID}/audio", Wants.NOW),
        ("GET", "/queue", Wants.NOW),
        ("GET", "/models", Wants.NOW),
        ("POST", "/v1/tts", Wants.NOW),
        ("POST", "/transcribe", Wants.NOW),
        ("GET", "/v1/voices", Wants.NOW),
        ("GET", "/jobs/../accepted", Wants.NOW),
    ],
)
def test_a_request_wants_one_thing(method, path, wants):
    assert wanted(method, path) == wants


@pytest.mark.parametrize(
    "path",
    [
        "/generate_batch",
        "/tts/generate_batch",
        "/v1/tts",
        "/v1/audio/speech",
        "/tts/v1/audio/speech",
        "/v1/text-to-speech/joe",
        "/v1/text-to-speech/joe/stream",
        "/tts/v1/text-to-speech/joe/stream/with-timestamps",
        "/transcribe",
        "/whisperx/transcribe_batch",
        "/align",
        "/whisperx/align_batch/",
        "/v1/audio/transcriptions",
        "/tts/v1/audio/transcriptions",
        "/whisperx/v1/audio/translations",
    ],
)
def test_who_does_not_wait_for_speech_or_a_transcript_is_served_later(path):
    assert wanted("POST", path, "respond-async") == Wants.LATER
    assert wanted("GET", path, "respond-async") == Wants.NOW


@pytest.mark.parametrize(
    "path",
    [
        "/v1/voices",
        "/tts/transcribe",
        "/whisperx/generate_batch",
        "/v1/text-to-speech/",
        "/v1/text-to-speech/a/b",
        "/models/x/load",
        "/cpu/segment",
        "/ttsx/generate_batch",
        "//generate_batch",
        "/",
    ],
)
def test_what_is_no_work_cannot_wait(path):
    assert wanted("POST", path, "respond-async") == Wants.NOW


@pytest.mark.parametrize(
    ("prefer", "does"),
    [
        ("respond-async", True),
        ("Respond-Async", True),
        ("wait=10, respond-async", True),
        ("respond-async; foo=bar", True),
        ("handling=lenient,respond-async,wait=5", True),
        ("", False),
        ("wait=10", False),
        ("respond-asynchronously", False),
        ('foo="respond-async"', False),
    ],
)
def test_a_preference_is_read_as_rfc_7240_has_it(prefer, does):
    assert prefers_async({"prefer": prefer}) is does


@pytest.mark.parametrize(
    "path", ["/accepted/1", "/accepted/../jobs", f"/accepted/{ID}/more", f"/accepted/{ID}0"]
)
def test_what_is_no_id_is_not_found(path):
    with pytest.raises(NotFound):
        wanted("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("GET", "/accepted", "POST"),
        ("PUT", f"/accepted/{ID}", "GET, HEAD, DELETE"),
        ("GET", f"/accepted/{ID}/uploaded", "POST"),
    ],
)
def test_a_path_of_accepted_work_says_what_it_takes(method, path, takes):
    with pytest.raises(MethodNotAllowed, match=f"takes {takes}, and no {method}"):
        wanted(method, path)


@pytest.mark.parametrize(("name", "make"), [("tts", tts), ("whisperx", whisperx)])
def test_it_knows_the_paths_of_the_doors_that_make_speech_or_transcripts(configure, name, make):
    configure()
    views = {rule.rule for rule in make().url_map.iter_rules() if "POST" in (rule.methods or ())}
    paths = {rule.replace("<voice_id>", "joe") for rule in views}
    works = {path for path in paths if is_work(f"/{name}{path}")}
    others = {"/v1/voices"} if name == "tts" else set()
    assert paths - works == others
    assert works
    assert all(is_work(path) for path in works)
