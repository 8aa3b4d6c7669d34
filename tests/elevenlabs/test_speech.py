from __future__ import annotations

import base64
import json

import pytest
from flask.testing import FlaskClient

from servers.errors import BackendFailed
from tests.audio.decoded import decoded
from tests.elevenlabs.conftest import PatientEngine
from tests.jobs.stand_in_engine import RATE_HZ

PATH = "/v1/text-to-speech/default"
BODY = {
    "text": "So it is.",
    "model_id": "eleven_flash_v2_5",
    "voice_settings": {"stability": 0.5, "speed": 1.0},
}


@pytest.mark.parametrize("path", [PATH, f"{PATH}/stream", f"/tts{PATH}/stream"])
def test_a_text_becomes_mp3(client: FlaskClient, engine: PatientEngine, path: str) -> None:
    reply = client.post(path, json=BODY)
    assert (reply.status_code, reply.content_type) == (200, "audio/mpeg")
    samples, rate = decoded(reply.data, "mp3")
    assert rate == 44_100
    assert len(samples) / rate == pytest.approx(1.0, abs=0.15)
    assert engine.spoken == [{"task": "synthesize", "text": "So it is."}]


def test_what_the_client_says_of_the_speech_is_in_the_job(client: FlaskClient, engine: PatientEngine) -> None:
    more = {
        "voice_settings": {"speed": 1.2},
        "language_code": "en",
        "seed": 7,
        "model_id": "espeak/espeak-ng",
    }
    reply = client.post("/v1/text-to-speech/alloy?output_format=pcm_22050", json=BODY | more)
    assert reply.data == engine.samples.tobytes()
    assert engine.spoken == [
        {"task": "synthesize", "text": "So it is.", "language": "en", "seed": 7, "speed": 1.2}
    ]


def test_with_times_it_is_a_line_of_json_for_each_piece(client: FlaskClient, engine: PatientEngine) -> None:
    engine_text = BODY | {"text": "so it is"}
    reply = client.post(f"{PATH}/stream/with-timestamps?output_format=pcm_{RATE_HZ}", json=engine_text)
    lines = [json.loads(line) for line in reply.data.splitlines()]
    assert b"".join(base64.b64decode(each["audio_base64"]) for each in lines) == engine.samples.tobytes()
    (told,) = [each["alignment"] for each in lines if each["alignment"]]
    assert "".join(told["characters"]) == "so it is "
    assert told["character_end_times_seconds"][-1] == 1.0


@pytest.mark.parametrize("start", [0, 9_999, 10_000, 10_001, RATE_HZ, 99_999])
def test_it_can_be_asked_for_again_from_a_sample(
    client: FlaskClient, engine: PatientEngine, start: int
) -> None:
    query, headers = f"?output_format=pcm_{RATE_HZ}&from={start}", {"Idempotency-Key": "k"}
    rest = engine.samples.tobytes()[2 * start :]
    assert client.post(PATH + query, json=BODY, headers=headers).data == rest
    reply = client.post(f"{PATH}/stream/with-timestamps{query}", json=BODY, headers=headers)
    lines = [json.loads(line) for line in reply.data.splitlines()]
    assert b"".join(base64.b64decode(each["audio_base64"]) for each in lines) == rest
    if rest:
        assert lines[0]["start_sample"] == start
    assert len(engine.jobs) == 1


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (f"{PATH}?output_format=flac", BODY, "output_format"),
        (f"{PATH}?output_format=pcm_24000&from=10", BODY, "Idempotency-Key"),
        ("/v1/text-to-speech/nobody", BODY, "voice_id"),
        (PATH, BODY | {"model_id": "unheard-of"}, "model"),
        (PATH, {}, "text"),
        (PATH, BODY | {"voice_settings": {"speed": 9}}, "voice_settings.speed"),
    ],
)
def test_what_is_wrong_is_said_in_the_clients_words(
    client: FlaskClient, path: str, body: dict[str, object], param: str
) -> None:
    reply = client.post(path, json=body)
    assert (reply.status_code, reply.json["error"]["param"]) == (422, param)


def test_a_failure_is_a_typed_reply(client: FlaskClient, engine: PatientEngine) -> None:
    engine.outcome = lambda _payload: BackendFailed("no breath")
    reply = client.post(PATH, json=BODY)
    assert (reply.status_code, reply.json["error"]["code"]) == (500, "backend_failed")


def test_voices_are_listed_as_their_clients_read_them(client: FlaskClient) -> None:
    voices = client.get("/v1/voices").json["voices"]
    assert {"voice_id", "name", "category"} <= voices[0].keys()
    assert voices[0]["voice_id"] == voices[0]["id"] == "en-US+klatt4"
