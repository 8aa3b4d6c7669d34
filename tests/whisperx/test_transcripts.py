from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from servers.errors import BackendFailed, EngineUnavailable, UnsupportedAudio
from servers.jobs.stream_events import Ended, Waiting
from servers.jobs.uploads import Uploads
from servers.settings import settings
from servers.web import requester
from servers.whisperx.app import create_app
from tests.jobs.stand_in_engine import Event, Outcome, StandInEngine, transcript

FIELDS = {"text", "language", "duration_s", "segments", "words", "ignored"}
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
)


def recording(seconds: float = 1.0, rate: int = 8000, channels: int = 1, format: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((int(seconds * rate), channels)), rate, format=format)
    return file.getvalue()


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


WAV = recording()
AUDIO = text_of(WAV)


def form(data: bytes = WAV, **fields: str) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(data), "a.wav")} | fields}


@pytest.fixture
def uploads(client: FlaskClient) -> Path:
    return settings().data_dir / "uploads"


@pytest.mark.parametrize("path", ["/transcribe", "/whisperx/transcribe"])
@pytest.mark.parametrize("request_", [form(language="en"), {"json": {"audio": AUDIO, "language": "en"}}])
def test_transcribe_takes_a_form_or_json(
    engine: StandInEngine, client: FlaskClient, path: str, request_: Any
) -> None:
    if "data" in request_:
        request_ = form(language="en")  # a stream is read once
    reply = client.post(path, **request_)
    assert (reply.status_code, set(reply.json)) == (200, FIELDS)
    assert reply.json["text"] == "so it is"
    (payload,) = engine.payloads
    assert payload.pop("audio_path").startswith(str(settings().data_dir))
    assert payload == {"task": "transcribe", "language": "en"}


def test_an_alignment_says_how_well_the_whole_text_fits(client: FlaskClient, engine: StandInEngine) -> None:
    misfit = {"score": 0.1, "warning": "the text does not fit the recording"}
    engine.outcome = lambda payload: transcript(payload) | misfit
    item = {"audio": AUDIO, "text": "Well, 3 times."}
    reply = client.post("/align", json=item).json
    assert set(reply) == FIELDS | {"score", "warning"}
    (result,) = client.post("/align_batch", json={"items": [item]}).json["results"]
    assert reply == result
    assert misfit.items() <= result.items()


@pytest.mark.parametrize("as_form", [True, False])
def test_align_takes_the_text_too(client: FlaskClient, engine: StandInEngine, as_form: bool) -> None:
    fields = {"text": "Well, 3 times.", "application_id": "book", "model": "en-us"}
    options = form(**fields, priority="0") if as_form else {"json": fields | {"audio": AUDIO, "priority": 0}}
    reply = client.post("/align", **options)
    assert (reply.status_code, reply.json["text"]) == (200, "Well, 3 times.")
    (job,) = engine.submitted
    assert (job["application_id"], job["priority"]) == ("book", 0)
    assert (job["model_type"], job["model"]) == ("pocketsphinx", "en-us")
    assert (job["payload"]["task"], job["payload"]["text"]) == ("align", "Well, 3 times.")


WISHES = {
    "language": "auto",
    "prompt": "Skylark",
    "temperature": 0.2,
    "words": False,
    "diarize": True,
    "min_speakers": 2,
    "max_speakers": 3,
    "translate": False,
}


def options_sent(engine: StandInEngine) -> list[dict[str, Any]]:
    """The payloads of the last request, their audio apart."""
    return [{name: value for name, value in each.items() if name != "audio_path"} for each in engine.payloads]


def test_what_is_wished_of_a_transcript_reaches_the_model(client: FlaskClient, engine: StandInEngine) -> None:
    client.post("/transcribe", json={"audio": AUDIO} | WISHES)
    assert options_sent(engine) == [{"task": "transcribe"} | WISHES]
    client.post("/transcribe", **form(**{name: str(value) for name, value in WISHES.items()}))
    assert options_sent(engine) == [{"task": "transcribe"} | WISHES]
    client.post("/transcribe_batch", json={"items": [{"audio": AUDIO} | WISHES, {"audio": AUDIO}]})
    assert options_sent(engine) == [{"task": "transcribe"} | WISHES, {"task": "transcribe"}]


def test_how_the_work_is_queued_is_not_told_to_the_model(client: FlaskClient, engine: StandInEngine) -> None:
    client.post("/transcribe", json={"audio": AUDIO, "model": "en-us", "application_id": "a", "priority": 1})
    (payload,) = engine.payloads
    assert set(payload) == {"task", "audio_path"}


@pytest.mark.parametrize(
    "options", [{}, {"rate": 48000, "channels": 2}, {"format": "FLAC"}, {"format": "MP3"}]
)
def test_any_audio_file_reaches_the_engine_as_it_was_sent(
    client: FlaskClient, engine: StandInEngine, options: dict[str, Any], uploads: Path
) -> None:
    data, seen = recording(**options), []

    def look(payload: dict[str, Any]) -> Outcome:
        seen.append(Path(payload["audio_path"]).read_bytes())
        return transcript(payload)

    engine.outcome = look
    assert client.post("/transcribe", json={"audio": text_of(data)}).status_code == 200
    assert client.post("/transcribe", **form(data)).status_code == 200
    assert seen == [data, data]
    assert os.listdir(uploads) == []


def test_a_batch_is_answered_in_order_with_errors_in_place(
    client: FlaskClient, engine: StandInEngine
) -> None:
    texts = iter(["one", None, "three"])

    def outcome(payload: dict[str, Any]) -> Outcome:
        text = next(texts)
        return transcript({"text": text}) if text else BackendFailed("no")

    engine.outcome = outcome
    results = client.post("/transcribe_batch", json={"items": [{"audio": AUDIO}] * 3}).json["results"]
    assert [result.get("text") for result in results] == ["one", None, "three"]
    assert set(results[1]) == {"error"}
    assert results[1]["error"]["code"] == "backend_failed"


def test_align_batch_pairs_each_audio_with_its_text(client: FlaskClient, engine: StandInEngine) -> None:
    items = [{"audio": AUDIO, "text": "one"}, {"audio": AUDIO, "text": "two", "language": "en"}]
    results = client.post("/whisperx/align_batch", json={"items": items}).json["results"]
    assert [result["text"] for result in results] == ["one", "two"]
    assert [payload.get("language") for payload in engine.payloads] == [None, "en"]
    assert len({payload["audio_path"] for payload in engine.payloads}) == 2


def test_when_every_recording_fails_the_first_error_is_the_answer(
    client: FlaskClient, engine: StandInEngine, uploads: Path
) -> None:
    engine.outcome = lambda _payload: UnsupportedAudio("damaged", param="audio_path")
    reply = client.post("/transcribe_batch", json={"items": [{"audio": AUDIO}] * 2})
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (422, "unsupported_audio", "items.0.audio")
    assert os.listdir(uploads) == []


def test_a_request_that_is_not_accepted_leaves_no_upload(
    client: FlaskClient, engine: StandInEngine, uploads: Path
) -> None:
    engine.away_calls = 1
    reply = client.post("/transcribe", json={"audio": AUDIO})
    assert reply.json["error"]["code"] == EngineUnavailable.code
    assert os.listdir(uploads) == []


MINE = {"Idempotency-Key": "mine"}


@pytest.mark.parametrize("path", ["/transcribe", "/transcribe_batch"])
def test_the_same_key_again_gives_the_same_jobs(
    client: FlaskClient, engine: StandInEngine, uploads: Path, path: str
) -> None:
    body = {"audio": AUDIO} if path == "/transcribe" else {"items": [{"audio": AUDIO}] * 2}
    first, again = (client.post(path, json=body, headers=MINE) for _ in range(2))
    assert (first.status_code, first.json) == (200, again.json)
    assert [job["idempotency_key"] for job in engine.submitted] == ["mine/0", "mine/1"][: len(engine.jobs)]
    assert os.listdir(uploads) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/transcribe", {"audio": text_of(recording(seconds=2))}),
        ("/transcribe", {"audio": AUDIO, "language": "en"}),
        ("/align", {"audio": AUDIO, "text": "so"}),
    ],
)
def test_another_request_under_the_same_key_is_a_conflict(
    client: FlaskClient, engine: StandInEngine, path: str, body: dict[str, Any]
) -> None:
    assert client.post("/transcribe", json={"audio": AUDIO}, headers=MINE).status_code == 200
    reply = client.post(path, json=body, headers=MINE)
    assert (reply.status_code, reply.json["error"]["param"]) == (409, "Idempotency-Key")


def test_a_recording_stays_while_a_job_of_its_key_needs_it(
    client: FlaskClient, engine: StandInEngine, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of the first request goes away, asks for something else by mistake, and comes back."""
    engine.outcome = lambda _payload: None
    with monkeypatch.context() as gone:
        gone.setattr(requester, "connection", lambda: lambda: False)
        gone.setattr(engine, "pass_time", lambda _seconds: None)
        assert client.post("/transcribe", json={"audio": AUDIO}, headers=MINE).status_code == 409
    (job,) = engine.jobs.values()
    assert engine.cancelled == []
    audio_path = Path(engine.payloads[0]["audio_path"])
    assert audio_path.read_bytes() == WAV

    mistake = {"items": [{"audio": AUDIO}, {"audio": AUDIO, "x": 1}]}
    assert client.post("/transcribe_batch", json=mistake, headers=MINE).status_code == 422
    assert client.post("/align", json={"audio": AUDIO, "text": "so"}, headers=MINE).status_code == 409
    assert audio_path.read_bytes() == WAV

    job |= {"status": "done", "finished_at": 1.0, "result": transcript({})}
    reply = client.post("/transcribe", json={"audio": AUDIO}, headers=MINE)
    assert (reply.status_code, reply.json["text"]) == (200, "so it is")
    assert len(engine.jobs) == 1
    assert os.listdir(uploads) == []


def test_a_disk_that_is_full_keeps_no_recording_of_a_request_that_fails(
    client: FlaskClient, engine: StandInEngine, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = Uploads.save, []

    def full_after_one(self: Uploads, *args: Any, **options: Any) -> Path:
        if saved:
            raise OSError("no space left")
        saved.append(save(self, *args, **options))
        return saved[0]

    monkeypatch.setattr(Uploads, "save", full_after_one)
    reply = client.post("/transcribe_batch", json={"items": [{"audio": AUDIO}] * 2})
    assert reply.status_code == 500
    assert len(saved) == 1
    assert os.listdir(uploads) == []
    assert not engine.submitted


def test_recordings_of_two_owners_with_one_key_are_two_files(
    configure: Callable[..., None], engine: StandInEngine
) -> None:
    keys = {name: sha256(name.encode()).hexdigest() for name in ("alice", "bob")}
    configure(SKYLARK_API_KEYS=",".join(f"{name}:{digest}" for name, digest in keys.items()))
    client, paths = create_app(engine).test_client(), set()
    for name in keys:
        engine.by_key.clear()  # the engine keeps the keys of each owner apart
        reply = client.post("/transcribe", json={"audio": AUDIO}, headers=MINE | {"X-API-Key": name})
        assert reply.status_code == 200
        paths.add(engine.payloads[0]["audio_path"])
    assert len(paths) == 2


BAD_AUDIO = [
    ("", 422, "invalid_request"),
    ("not base64!", 400, "malformed_body"),
    ("AAA", 400, "malformed_body"),
    ("é", 400, "malformed_body"),
    (None, 422, "invalid_request"),
    (7, 422, "invalid_request"),
    ([AUDIO], 422, "invalid_request"),
    (text_of(PNG), 422, "unsupported_audio"),
    (text_of(b"RIFF"), 422, "unsupported_audio"),
    (text_of(recording(seconds=0)), 422, "unsupported_audio"),
    (text_of(recording(seconds=3600, rate=4000)), 413, "audio_too_long"),
]


@pytest.mark.parametrize(("audio", "status", "code"), BAD_AUDIO)
@pytest.mark.parametrize("task", ["transcribe", "align"])
def test_bad_audio_names_its_field_and_queues_nothing(
    client: FlaskClient,
    engine: StandInEngine,
    uploads: Path,
    task: str,
    audio: object,
    status: int,
    code: str,
) -> None:
    text = {"text": "so"} if task == "align" else {}
    good, bad = {"audio": AUDIO} | text, {"audio": audio} | text
    for reply, param in (
        (client.post(f"/{task}", json=bad), "audio"),
        (client.post(f"/{task}_batch", json={"items": [good, good, bad]}), "items.2.audio"),
    ):
        error = reply.json["error"]
        assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert not engine.submitted
    assert os.listdir(uploads) == []


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "unsupported_audio"),
        (PNG, 422, "unsupported_audio"),
        (recording(0), 422, "unsupported_audio"),
    ],
)
def test_a_bad_file_of_a_form(client: FlaskClient, data: bytes, status: int, code: str) -> None:
    reply = client.post("/transcribe", **form(data))
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, "file")


BAD_INPUT = [
    ("/transcribe", {}, 422, "invalid_request", "audio"),
    ("/transcribe", {"audio": AUDIO, "text": "so"}, 422, "invalid_request", "text"),
    ("/transcribe", {"audio": AUDIO, "language": 1}, 422, "invalid_request", "language"),
    ("/transcribe", {"audio": AUDIO, "model": "large"}, 422, "unknown_model", "model"),
    ("/transcribe", {"audio": AUDIO, "priority": "x"}, 422, "invalid_request", "priority"),
    ("/transcribe", {"audio": AUDIO, "temperature": 2}, 422, "invalid_request", "temperature"),
    ("/transcribe", {"audio": AUDIO, "diarize": "so"}, 422, "invalid_request", "diarize"),
    ("/transcribe", {"audio": AUDIO, "min_speakers": 0}, 422, "invalid_request", "min_speakers"),
    ("/transcribe", {"audio": AUDIO, "prompt": "x" * 20_000}, 422, "invalid_request", "prompt"),
    ("/align", {"audio": AUDIO, "text": "so", "prompt": "so"}, 422, "invalid_request", "prompt"),
    ("/transcribe_batch", {"items": [{"audio": AUDIO, "words": 3}]}, 422, "invalid_request", "items.0.words"),
    ("/transcribe", [AUDIO], 422, "invalid_request", None),
    ("/align", {"audio": AUDIO}, 422, "invalid_request", "text"),
    ("/align", {"audio": AUDIO, "text": ["so"]}, 422, "invalid_request", "text"),
    ("/align", {"audio": AUDIO, "text": "x" * 1_000_000}, 413, "too_large", "text"),
    ("/transcribe_batch", {}, 422, "invalid_request", "items"),
    ("/transcribe_batch", {"items": []}, 422, "invalid_request", "items"),
    ("/transcribe_batch", {"items": AUDIO}, 422, "invalid_request", "items"),
    ("/transcribe_batch", {"items": [AUDIO]}, 422, "invalid_request", "items.0"),
    ("/transcribe_batch", {"items": [{"audio": AUDIO}] * 501}, 413, "too_large", "items"),
    ("/transcribe_batch", {"items": [{"audio": AUDIO, "x": 1}]}, 422, "invalid_request", "items.0.x"),
    ("/align_batch", {"items": [{"audio": AUDIO}]}, 422, "invalid_request", "items.0.text"),
    (
        "/align_batch",
        {"items": [{"audio": AUDIO, "text": "x" * 1_000_000}]},
        413,
        "too_large",
        "items.0.text",
    ),
]


@pytest.mark.parametrize(("path", "body", "status", "code", "param"), BAD_INPUT)
def test_bad_input_names_its_field(
    client: FlaskClient,
    engine: StandInEngine,
    path: str,
    body: object,
    status: int,
    code: str,
    param: str | None,
) -> None:
    reply = client.post(path, json=body)
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert not engine.submitted


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "en"}, "file"),
        ({"file": (io.BytesIO(WAV), "a.wav"), "colour": "red"}, "colour"),
        ({"file": (io.BytesIO(WAV), "a.wav"), "audio": AUDIO}, "audio"),
        ({"recording": (io.BytesIO(WAV), "a.wav")}, "recording"),
    ],
)
def test_bad_forms_name_their_field(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    reply = client.post("/transcribe", data=fields, content_type="multipart/form-data")
    assert (reply.status_code, reply.json["error"]["param"]) == (422, param)


def test_nothing_that_was_said_reaches_a_log(
    configure: Callable[..., None], engine: StandInEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    configure(TTS_API_KEY="sesame")
    client = create_app(engine).test_client()
    engine.outcome = lambda _payload: {"no": "fields"}  # a defect: the reply cannot be made
    reply = client.post("/align", json={"audio": AUDIO, "text": "marmalade"}, headers={"X-API-Key": "sesame"})
    assert reply.status_code == 500
    assert "sesame" not in caplog.text
    assert "marmalade" not in caplog.text


# subtitles


TYPES = {"srt": "application/x-subrip; charset=utf-8", "vtt": "text/vtt; charset=utf-8"}
CONTENTS = {
    "srt": "1\n00:00:00,000 --> 00:00:01,000\nso\n",
    "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nso\n",
}


@pytest.mark.parametrize(("path", "fields"), [("/transcribe", {}), ("/align", {"text": "so"})])
@pytest.mark.parametrize("format", ["srt", "vtt"])
@pytest.mark.parametrize("as_form", [True, False])
def test_a_reply_may_be_subtitles(
    client: FlaskClient, engine: StandInEngine, path: str, fields: dict[str, str], format: str, as_form: bool
) -> None:
    fields = fields | {"format": format}
    reply = client.post(path, **(form(**fields) if as_form else {"json": fields | {"audio": AUDIO}}))
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, TYPES[format])
    assert reply.text == CONTENTS[format]
    assert all("format" not in payload for payload in engine.payloads)


def test_subtitles_of_a_transcript_without_words_have_its_segments(
    client: FlaskClient, engine: StandInEngine
) -> None:
    engine.outcome = lambda payload: transcript(payload) | {"words": []}
    reply = client.post("/transcribe", json={"audio": AUDIO, "format": "srt", "words": False})
    assert "\nso it is\n" in reply.text


def test_json_is_what_is_answered_without_a_format_too(client: FlaskClient, engine: StandInEngine) -> None:
    plain, named = (
        client.post("/transcribe", json={"audio": AUDIO} | each) for each in ({}, {"format": "json"})
    )
    assert plain.json == named.json
    assert options_sent(engine) == [{"task": "transcribe"}]


def test_the_same_job_is_answered_in_another_format(client: FlaskClient, engine: StandInEngine) -> None:
    assert client.post("/transcribe", json={"audio": AUDIO}, headers=MINE).json["text"] == "so it is"
    again = client.post("/transcribe", json={"audio": AUDIO, "format": "vtt"}, headers=MINE)
    assert (again.status_code, again.text, len(engine.jobs)) == (200, CONTENTS["vtt"], 1)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/transcribe", {"audio": AUDIO, "format": "ass"}, "format"),
        ("/align", {"audio": AUDIO, "text": "so", "format": None}, "format"),
        ("/transcribe_batch", {"items": [{"audio": AUDIO}], "format": "srt"}, "format"),
        ("/transcribe_batch", {"items": [{"audio": AUDIO, "format": "srt"}]}, "items.0.format"),
        ("/align_batch", {"items": [{"audio": AUDIO, "text": "so", "format": "srt"}]}, "items.0.format"),
    ],
)
def test_a_format_that_is_none_or_of_a_batch_is_refused(
    client: FlaskClient, engine: StandInEngine, path: str, body: dict[str, Any], param: str
) -> None:
    reply = client.post(path, json=body)
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (422, "invalid_request", param)
    assert not engine.submitted


def test_a_failure_is_json_whatever_was_to_be_answered(client: FlaskClient, engine: StandInEngine) -> None:
    engine.outcome = lambda _: BackendFailed("no breath")
    reply = client.post("/align", json={"audio": AUDIO, "text": "so", "format": "srt"})
    assert (reply.status_code, reply.json["error"]["message"]) == (500, "no breath")


# how far it is


class TellingEngine(StandInEngine):
    """Tells these fractions of each job before its end."""

    fractions: tuple[float | None, ...] = (None, 0.25, 0.75)

    def stream(self, *arguments: Any, **options: Any) -> Generator[Event, None, None]:
        for event in super().stream(*arguments, **options):
            if isinstance(event, Ended):
                yield from map(Waiting, self.fractions)
            yield event


@pytest.fixture
def telling(configure: object) -> TellingEngine:
    return TellingEngine(transcript)


def lines(reply: Any) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in reply.data.splitlines()]
    reply.close()  # as a server does at the end
    return found


WATCHING = {"Accept": "application/x-ndjson, application/json"}


@pytest.mark.parametrize(("path", "fields"), [("/transcribe", {}), ("/align", {"text": "so it is"})])
def test_who_accepts_lines_sees_how_far_it_is_and_then_the_same_reply(
    telling: TellingEngine, path: str, fields: dict[str, str]
) -> None:
    client = create_app(telling).test_client()
    plain = client.post(path, **form(**fields))
    reply = client.post(path, **form(**fields), headers=WATCHING)
    assert (reply.status_code, reply.mimetype) == (200, "application/x-ndjson")
    assert lines(reply) == [*({"progress": each} for each in telling.fractions), {"result": plain.json}]


@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_who_accepts_lines_has_the_subtitles_as_a_text_in_the_last(
    telling: TellingEngine, format: str
) -> None:
    client = create_app(telling).test_client()
    *_, last = lines(client.post("/transcribe", **form(format=format), headers=WATCHING))
    assert last == {"result": CONTENTS[format]}


def test_a_failure_is_the_last_line_and_what_is_refused_is_a_status(
    telling: TellingEngine, uploads: Path
) -> None:
    client = create_app(telling).test_client()
    telling.outcome = lambda _: BackendFailed("no breath")
    *_, last = lines(client.post("/align", **form(text="so"), headers=WATCHING))
    assert (last["error"]["code"], last["error"]["message"]) == ("backend_failed", "no breath")
    assert last["error"]["request_id"]
    assert client.post("/align", **form(), headers=WATCHING).status_code == 422
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize("read", [0, 1])
def test_a_client_that_leaves_has_its_job_cancelled_and_its_recording_removed(
    telling: TellingEngine, uploads: Path, read: int
) -> None:
    reply = create_app(telling).test_client().post("/transcribe", **form(), headers=WATCHING, buffered=False)
    for _ in range(read):
        next(iter(reply.response))
    assert len(list(uploads.iterdir())) == 1
    reply.close()
    assert telling.cancelled == list(telling.jobs)
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "is_left_out"),
    [
        ({}, True),
        ({"response_format": "text"}, True),
        ({"stream": "true"}, False),
        ({"response_format": "srt"}, False),
        ({"response_format": "diarized_json"}, False),
        ({"model": "pocketsphinx/en-us"}, False),
    ],
)
def test_words_are_not_timed_for_an_openai_reply_that_tells_no_times(
    client: FlaskClient, engine: StandInEngine, fields: dict[str, str], is_left_out: bool
) -> None:
    """Of a model that can leave them out; to others nothing is said that they would refuse."""
    engine.outcome = lambda payload: transcript(payload) | {"segments": [], "words": []}
    reply = client.post("/v1/audio/transcriptions", **form(**{"model": "faster_whisper/base"} | fields))
    assert reply.status_code == 200, reply.text
    (payload,) = engine.payloads
    assert payload.get("words") is (False if is_left_out else None)
