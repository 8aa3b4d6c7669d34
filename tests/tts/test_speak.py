"""POST /v1/tts and GET /v1/audio/<id>, with a stand-in for the engine."""

from __future__ import annotations

import base64
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from servers.errors import BackendFailed, EngineUnavailable, UnknownVoice
from servers.tts.app import create_app
from tests.audio.decoded import decoded
from tests.jobs.stand_in_engine import RATE_HZ, StandInEngine, speech
from tests.web.fixtures import Configure

PATH = "/v1/tts"
HELLO = {"text": "Hello."}
KEYS = ",".join(f"{name}:{sha256(name.encode()).hexdigest()}" for name in ("alice", "bob"))


@pytest.fixture
def in_files(configure: Configure, engine: StandInEngine) -> FlaskClient:
    configure(TTS_OUTPUT_MODE="file")
    return create_app(engine).test_client()


def samples_of(reply: Any) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(base64.b64decode(reply.json["audio"])), dtype="int16")


@pytest.mark.parametrize("path", [PATH, "/tts/v1/tts"])
def test_a_text_becomes_audio_at_24_khz(client: FlaskClient, path: str) -> None:
    reply = client.post(path, json=HELLO)
    assert reply.status_code == 200
    samples, rate = samples_of(reply)
    assert (rate, len(samples)) == (24_000, 24_000)
    told = {name: reply.json[name] for name in ("format", "sample_rate", "duration_s", "model", "voice")}
    assert told == {
        "format": "wav",
        "sample_rate": 24_000,
        "duration_s": 1.0,
        "model": "espeak/espeak-ng",
        "voice": "en-US+klatt4",
    }
    assert reply.json["finish_reason"] == "stop"
    assert reply.json["cached"] is False
    assert reply.json["words"][0]["word"] == "so"
    assert reply.json["request_id"] == reply.headers["X-Request-ID"]
    assert "X-Cache" not in reply.headers


def test_every_field_reaches_the_model(client: FlaskClient, engine: StandInEngine) -> None:
    asked = {"voice": "en-gb", "language": "en", "speed": 1.5, "seed": 7, "priority": 0}
    reply = client.post(PATH, json=HELLO | asked | {"instructions": "whisper", "model": "espeak-ng"})
    assert reply.json["voice"] == "en-gb"
    (job,) = engine.submitted
    assert (job["model_type"], job["model"], job["priority"]) == ("espeak", "espeak-ng", 0)
    assert job["payload"] == {
        "task": "synthesize",
        "text": "Hello.",
        "voice": "en-gb",
        "language": "en",
        "instruct": "whisper",
        "speed": 1.5,
        "seed": 7,
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("format", "rate"),
    [("wav", 16_000), ("wav", RATE_HZ), ("flac", 8_000), ("mp3", 44_100), ("opus", 48_000), ("pcm", 16_000)],
)
def test_the_audio_has_the_rate_that_is_asked_for(
    client: FlaskClient, format: str, rate: int, stream: bool
) -> None:
    asked = HELLO | {"format": format, "sample_rate": rate, "stream": stream}
    reply = client.post(PATH, json=asked, buffered=True)
    assert reply.status_code == 200
    said = int(reply.headers["X-Sample-Rate"]) if stream else reply.json["sample_rate"]
    audio = reply.data if stream else base64.b64decode(reply.json["audio"])
    samples, found = decoded(audio, format)
    found = rate if format == "pcm" else found  # which has no header
    assert (said, found) == (rate, rate)
    assert len(samples) / rate == pytest.approx(1.0, abs=0.15)


def test_the_rate_by_default_is_the_settings(configure: Configure, engine: StandInEngine) -> None:
    configure(TTS_DEFAULT_SAMPLE_RATE="44100")
    client = create_app(engine).test_client()
    rates = {
        format: client.post(PATH, json=HELLO | {"format": format}).json["sample_rate"]
        for format in ("wav", "opus")
    }
    assert rates == {"wav": 44_100, "opus": 48_000}


def test_a_stream_comes_as_it_is_made(client: FlaskClient) -> None:
    reply = client.post(PATH, json=HELLO | {"stream": True}, buffered=True)
    assert reply.content_type == "audio/wav"
    assert (reply.headers["X-Model"], reply.headers["X-Voice"]) == ("espeak/espeak-ng", "en-US+klatt4")
    assert len(reply.data) == 44 + 2 * 24_000


def test_a_stream_can_be_asked_for_again_from_a_sample(client: FlaskClient, engine: StandInEngine) -> None:
    body, headers = HELLO | {"stream": True, "format": "pcm"}, {"Idempotency-Key": "k"}
    whole = client.post(PATH, json=body, headers=headers).data
    for start in (1, 12_345, 24_000, 99_999):
        reply = client.post(f"{PATH}?from={start}", json=body, headers=headers)
        assert reply.data == whole[2 * start :]
    assert len(engine.jobs) == 1


@pytest.mark.parametrize(
    ("body", "key", "param"),
    [
        (HELLO | {"stream": True}, {}, "Idempotency-Key"),
        (HELLO | {"stream": True, "format": "mp3"}, {"Idempotency-Key": "k"}, "format"),
        (HELLO, {"Idempotency-Key": "k"}, "from"),
    ],
)
def test_where_it_cannot_go_on_that_is_said(
    client: FlaskClient, body: dict[str, Any], key: dict[str, str], param: str
) -> None:
    reply = client.post(f"{PATH}?from=10", json=body, headers=key)
    assert (reply.status_code, reply.json["error"]["param"]) == (422, param)


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 422, "invalid_request", "text"),
        (HELLO | {"sample_rate": 1_000}, 422, "invalid_request", "sample_rate"),
        (HELLO | {"sample_rate": 44_100, "format": "opus"}, 422, "invalid_request", "sample_rate"),
        (HELLO | {"format": "midi"}, 422, "invalid_request", "format"),
        (HELLO | {"output_mode": "s3"}, 422, "invalid_request", "output_mode"),
        (HELLO | {"output_mode": "file", "stream": True}, 422, "invalid_request", "output_mode"),
        (HELLO | {"stream": "yes"}, 422, "invalid_request", "stream"),
        (HELLO | {"instruct": "a", "instructions": "b"}, 422, "invalid_request", "instructions"),
        (HELLO | {"speed": 9}, 422, "invalid_request", "speed"),
        (HELLO | {"model": "nothing"}, 422, "unknown_model", "model"),
        (HELLO | {"model": "en-us"}, 422, "invalid_request", "model"),
        ({"text": "a" * 601}, 413, "too_large", "text"),
        ({"text": "a\0b"}, 422, "invalid_request", "text"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    client: FlaskClient,
    engine: StandInEngine,
    body: dict[str, Any],
    status: int,
    code: str,
    param: str,
) -> None:
    engine.outcome = lambda _: pytest.fail("nothing is to be spoken")
    reply = client.post(PATH, json=body)
    assert (reply.status_code, reply.json["error"]["code"]) == (status, code)
    assert reply.json["error"]["param"] == param


def test_a_voice_that_the_model_does_not_have_is_named(client: FlaskClient, engine: StandInEngine) -> None:
    engine.outcome = lambda _: UnknownVoice("there is no such voice", param="voice")
    error = client.post(PATH, json=HELLO | {"voice": "nobody"}).json["error"]
    assert (error["code"], error["param"]) == ("unknown_voice", "voice")


def test_a_friendly_name_says_what_it_means_where_models_yaml_has_it_not(client: FlaskClient) -> None:
    error = client.post(PATH, json=HELLO | {"model": "qwen3-tts-0.6b"}).json["error"]
    assert error["code"] == "unknown_model"
    assert "qwen3-tts-0.6b is qwen3_tts/0.6b-customvoice here (tts.names)" in error["message"]


def test_a_friendly_name_is_another_models(
    configure: Configure, engine: StandInEngine, tmp_path: Path
) -> None:
    configure(SKYLARK_TTS__NAMES=json.dumps({"robot": "espeak/espeak-ng"}))
    reply = create_app(engine).test_client().post(PATH, json=HELLO | {"model": "robot"})
    assert reply.json["model"] == "espeak/espeak-ng"


def test_the_limit_on_the_text_is_this_endpoints_own(configure: Configure, engine: StandInEngine) -> None:
    configure(TTS_MAX_TEXT_LENGTH="5")
    client = create_app(engine).test_client()
    assert client.post(PATH, json={"text": "Hello."}).status_code == 413
    assert client.post(PATH, json={"text": "Hello"}).status_code == 200
    assert client.post("/generate_batch", json={"texts": ["Hello."]}).status_code == 200


def test_a_text_that_fails_is_the_requests_error(client: FlaskClient, engine: StandInEngine) -> None:
    engine.outcome = lambda _: BackendFailed("it cannot")
    reply = client.post(PATH, json=HELLO)
    assert (reply.status_code, reply.json["error"]["code"]) == (500, "backend_failed")


def test_an_engine_that_is_away_is_said(client: FlaskClient, engine: StandInEngine) -> None:
    engine.away_calls = 1
    reply = client.post(PATH, json=HELLO)
    assert (reply.status_code, reply.json["error"]["code"]) == (503, EngineUnavailable.code)


def test_many_seconds_of_audio_are_sent_in_pieces_and_whole(
    client: FlaskClient, engine: StandInEngine
) -> None:
    engine.samples = np.arange(RATE_HZ * 120, dtype=np.int64).astype("<i2")
    engine.outcome = lambda payload: speech(payload) | {"samples": RATE_HZ * 120}  # type: ignore[operator]
    reply = client.post(PATH, json=HELLO, buffered=True)
    assert "Content-Length" not in reply.headers
    samples, rate = samples_of(reply)
    assert len(samples) == 120 * rate


def test_a_file_is_named_and_sent(in_files: FlaskClient, tmp_path: Path) -> None:
    made = in_files.post(PATH, json=HELLO | {"format": "mp3"}).json
    assert "audio" not in made
    assert made["url"] == f"/v1/audio/{made['id']}"
    assert made["file"] == f"everyone/{made['id']}.mp3"
    reply = in_files.get(made["url"], buffered=True)
    assert (reply.status_code, reply.content_type) == (200, "audio/mpeg")
    assert reply.data == (tmp_path / "generated_audio" / made["file"]).read_bytes()
    assert int(reply.headers["Content-Length"]) == len(reply.data)
    assert reply.headers["Accept-Ranges"] == "bytes"


def test_a_url_has_the_prefix_that_the_request_came_with(in_files: FlaskClient) -> None:
    made = in_files.post("/tts/v1/tts", json=HELLO).json
    assert made["url"] == f"/tts/v1/audio/{made['id']}"
    assert in_files.get(made["url"], buffered=True).status_code == 200


def test_a_request_may_say_how_its_audio_comes(client: FlaskClient, in_files: FlaskClient) -> None:
    assert "audio" in in_files.post(PATH, json=HELLO | {"output_mode": "base64"}).json
    assert "url" in client.post(PATH, json=HELLO | {"output_mode": "file"}).json


def test_a_part_of_a_file_is_sent(in_files: FlaskClient) -> None:
    url = in_files.post(PATH, json=HELLO).json["url"]
    whole = in_files.get(url, buffered=True).data
    part = in_files.get(url, buffered=True, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
    assert in_files.get(url, buffered=True, headers={"Range": "bytes=-4"}).data == whole[-4:]


def test_a_range_beyond_the_end_is_refused(in_files: FlaskClient) -> None:
    url = in_files.post(PATH, json=HELLO).json["url"]
    size = len(in_files.get(url, buffered=True).data)
    reply = in_files.get(url, buffered=True, headers={"Range": f"bytes={size}-"})
    assert (reply.status_code, reply.json["error"]["code"]) == (416, "range_not_satisfiable")
    assert reply.headers["Content-Range"] == f"bytes */{size}"


def test_a_file_that_a_client_has_is_not_sent_again(in_files: FlaskClient) -> None:
    url = in_files.post(PATH, json=HELLO).json["url"]
    etag = in_files.get(url, buffered=True).headers["ETag"]
    reply = in_files.get(url, buffered=True, headers={"If-None-Match": etag})
    assert (reply.status_code, reply.data) == (304, b"")
    ranged = {"Range": "bytes=0-3", "If-Range": '"another"'}
    assert in_files.get(url, buffered=True, headers=ranged).status_code == 200


@pytest.mark.parametrize(
    "audio_id", ["00000000-0000-4000-8000-000000000000", "x", "..%2F..%2Fengine.sock", "../health", ""]
)
def test_what_is_no_audio_is_not_found(in_files: FlaskClient, audio_id: str) -> None:
    assert in_files.get(f"/v1/audio/{audio_id}").status_code == 404


def test_a_link_in_the_folder_is_not_followed(in_files: FlaskClient, tmp_path: Path) -> None:
    made = in_files.post(PATH, json=HELLO).json
    file = tmp_path / "generated_audio" / made["file"]
    (tmp_path / "secret").write_text("secret")
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    assert in_files.get(made["url"], buffered=True).status_code == 404


def test_a_file_is_its_keys_alone(configure: Configure, engine: StandInEngine) -> None:
    configure(SKYLARK_API_KEYS=KEYS)
    client = create_app(engine).test_client()
    alice, bob = {"X-API-Key": "alice"}, {"X-API-Key": "bob"}
    made = client.post(PATH, json=HELLO | {"output_mode": "file"}, headers=alice).json
    assert client.get(made["url"], buffered=True, headers=alice).status_code == 200
    assert client.get(made["url"], buffered=True, headers=bob).status_code == 404
    assert client.get(made["url"], buffered=True).status_code == 401
    assert "alice" not in made["file"]


def test_the_folder_may_be_elsewhere(configure: Configure, engine: StandInEngine, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "disk")
    configure(TTS_OUTPUT_MODE="file", TTS_OUTPUT_DIR=str(tmp_path / "linked" / "audio"))
    client = create_app(engine).test_client()
    made = client.post(PATH, json=HELLO).json
    assert (tmp_path / "disk" / "audio" / made["file"]).is_file()
    assert client.get(made["url"], buffered=True).status_code == 200
