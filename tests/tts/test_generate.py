from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from servers import extras
from servers.audio.encode import FORMATS
from servers.errors import BackendFailed, InvalidRequest, RunnerCrashed, UnknownVoice
from servers.spoken.recall import EXTENSION
from servers.tts import generate
from servers.tts.app import create_app
from servers.tts.generate import Generation
from tests.audio.decoded import decoded
from tests.jobs.stand_in_engine import RATE_HZ, Outcome, StandInEngine, speech

PATH = "/generate_batch"


def failing(*errors: tuple[str, Exception]) -> Callable[[dict[str, Any]], Outcome]:
    """Speaks every text but those."""
    return lambda payload: dict(errors).get(payload["text"]) or speech(payload)  # type: ignore[return-value]


@pytest.mark.parametrize("path", [PATH, "/tts/generate_batch"])
def test_texts_become_audio_in_order(client: FlaskClient, engine: StandInEngine, path: str) -> None:
    reply = client.post(path, json={"texts": ["One.", " Two "]})
    assert reply.status_code == 200
    assert [result["text"] for result in reply.json["results"]] == ["One.", " Two "]
    assert reply.json["model"] == "espeak-ng"
    assert reply.json["job_ids"] == list(engine.jobs)
    samples, rate = soundfile.read(
        io.BytesIO(base64.b64decode(reply.json["results"][0]["audio"])), dtype="int16"
    )
    assert rate == RATE_HZ
    assert np.array_equal(samples, engine.samples)
    described = {name: reply.json["results"][0][name] for name in ("format", "sample_rate", "duration_s")}
    assert described == {"format": "wav", "sample_rate": RATE_HZ, "duration_s": 1.0}
    assert reply.json["results"][0]["words"][0]["word"] == "so"


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_what_it_says(client: FlaskClient, format: str) -> None:
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    result = client.post(PATH, json={"texts": ["One."], "format": format}).json["results"][0]
    samples, rate = decoded(base64.b64decode(result["audio"]), format)
    assert (result["format"], result["sample_rate"]) == (format, rate)
    assert len(samples) / rate == pytest.approx(1.0, abs=0.15)


def test_a_format_that_the_server_cannot_write_is_refused_before_anything_is_spoken(
    client: FlaskClient, engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    reply = client.post(PATH, json={"texts": ["One."], "format": "aac"})
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "missing_extra")
    assert not engine.submitted


def test_the_formats_are_those_of_the_encoder() -> None:
    assert get_args(Generation.model_fields["format"].annotation) == tuple(FORMATS)


def test_a_job_says_what_the_request_said(client: FlaskClient, engine: StandInEngine) -> None:
    request = {
        "texts": ["One."],
        "voice": "en-us",
        "language": "en",
        "instruct": "whisper",
        "speed": 1.5,
        "seed": 7,
        "application_id": "book",
        "priority": 0,
        "model": "espeak/espeak-ng",
    }
    assert client.post(PATH, json=request).status_code == 200
    payload = {
        "task": "synthesize",
        "text": "One.",
        "voice": "en-us",
        "language": "en",
        "instruct": "whisper",
        "speed": 1.5,
        "seed": 7,
    }
    (job,) = engine.submitted
    assert job.pop("idempotency_key")
    assert engine.submitted == [
        {
            "model_type": "espeak",
            "model": "espeak-ng",
            "application_id": "book",
            "priority": 0,
            "batch_key": None,
            "expires": False,
            "payload": payload,
        }
    ]


def test_asked_again_it_is_spoken_again(configure: Callable[..., None], engine: StandInEngine) -> None:
    configure(TTS_ENABLE_CACHE="true")
    app = create_app(engine)
    for _ in range(2):
        reply = app.test_client().post(PATH, json={"texts": ["One."], "seed": 7})
        assert "X-Cache" not in reply.headers
    assert len(engine.jobs) == 2
    app.extensions[EXTENSION].cache.close()


def test_each_text_may_have_its_instruct(client: FlaskClient, engine: StandInEngine) -> None:
    client.post(PATH, json={"texts": ["One.", "Two.", "Three."], "instructs": ["loud", None, "soft"]})
    assert [payload.get("instruct") for payload in engine.payloads] == ["loud", None, "soft"]


@pytest.mark.parametrize(
    ("body", "batch_key"),
    [
        ({"texts": ["One."]}, None),
        ({"texts": ["One."], "batch": True}, None),
        ({"texts": ["One.", "Two."], "batch": True}, None),
        ({"texts": ["One.", "Two."]}, ""),
    ],
)
def test_several_texts_share_the_model_only_where_they_say_so(
    client: FlaskClient, engine: StandInEngine, body: dict[str, Any], batch_key: str | None
) -> None:
    client.post(PATH, json=body)
    assert {job["batch_key"] for job in engine.submitted} == {batch_key}


def test_a_text_is_encoded_before_the_next_one_is_made(
    client: FlaskClient, engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    tell, encode = engine.stream, generate.encode_file

    def stream(jobs: Any, **options: Any) -> Any:
        for event in tell(jobs, **options):
            seen.append(f"{type(event).__name__} {getattr(event, 'index', '')}")
            yield event

    def encoding(*args: Any) -> None:
        seen.append("encoded")
        encode(*args)

    monkeypatch.setattr(engine, "stream", stream)
    monkeypatch.setattr(generate, "encode_file", encoding)
    engine.samples = engine.samples[:100]
    engine.outcome = lambda payload: {**speech(payload), "samples": 100}  # type: ignore[dict-item]
    assert len(client.post(PATH, json={"texts": ["One.", "Two."]}).json["results"]) == 2
    assert seen == ["Accepted ", "AudioChunk 0", "Ended 0", "encoded", "AudioChunk 1", "Ended 1", "encoded"]


def test_who_accepts_lines_has_each_text_in_one(client: FlaskClient, engine: StandInEngine) -> None:
    engine.outcome = failing(("Two.", BackendFailed("no breath")))
    asked = {"texts": ["One.", "Two.", "Three."]}
    whole = client.post(PATH, json=asked).json
    engine.by_key.clear()
    reply = client.post(PATH, json=asked, headers={"Accept": "application/x-ndjson"})
    *results, last = [json.loads(line) for line in reply.data.splitlines()]
    assert results == [{"index": index} | result for index, result in enumerate(whole["results"])]
    assert last == {"done": True, "model": "espeak-ng", "job_ids": list(engine.jobs)[3:]}


def test_audio_that_does_not_come_whole_is_no_reply(client: FlaskClient, engine: StandInEngine) -> None:
    engine.samples = engine.samples[:100]
    reply = client.post(PATH, json={"texts": ["One."]})
    assert (reply.status_code, reply.json["error"]["code"]) == (500, "internal_error")


def test_the_same_key_again_gives_the_same_jobs(client: FlaskClient, engine: StandInEngine) -> None:
    headers = {"Idempotency-Key": "mine"}
    first, again = (client.post(PATH, json={"texts": ["One."]}, headers=headers).json for _ in range(2))
    assert first == again
    assert [job["idempotency_key"] for job in engine.submitted] == ["mine/0"]
    reply = client.post(PATH, json={"texts": ["Two."]}, headers=headers)
    assert (reply.status_code, reply.json["error"]["param"]) == (409, "Idempotency-Key")


@pytest.mark.parametrize("key", ["", "x" * 193])
def test_a_key_that_cannot_be_one_queues_nothing(
    client: FlaskClient, engine: StandInEngine, key: str
) -> None:
    reply = client.post(PATH, json={"texts": ["One."]}, headers={"Idempotency-Key": key})
    assert (reply.status_code, reply.json["error"]["param"]) == (422, "Idempotency-Key")
    assert not engine.submitted


def test_a_text_in_which_there_is_nothing_to_say_is_the_models_affair(
    client: FlaskClient, engine: StandInEngine
) -> None:
    assert client.post(PATH, json={"texts": ["One.", "", " \n", "🎉"]}).status_code == 200
    assert [payload["text"] for payload in engine.payloads] == ["One.", "", " \n", "🎉"]


def test_what_the_model_does_not_act_on_is_told(client: FlaskClient, engine: StandInEngine) -> None:
    body = {"texts": ["One."], "instruct": "whisper"}
    assert client.post(PATH, json=body).json["results"][0]["ignored"] == []
    engine.outcome = lambda payload: {**speech(payload), "ignored": ["instruct"]}  # type: ignore[dict-item]
    assert client.post(PATH, json=body).json["results"][0]["ignored"] == ["instruct"]


def test_a_text_that_fails_leaves_the_others_alone(client: FlaskClient, engine: StandInEngine) -> None:
    engine.outcome = failing(("Two.", InvalidRequest("no words", param="text")))
    results = client.post(PATH, json={"texts": ["One.", "Two.", "Three."]}).json["results"]
    assert ["audio" in result for result in results] == [True, False, True]
    assert results[1]["text"] == "Two."
    error = results[1]["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "texts.1")


def test_an_unknown_voice_is_told_some_that_exist(client: FlaskClient, engine: StandInEngine) -> None:
    message = "no voice 'nobody'; some are en-us, de"
    engine.outcome = lambda _payload: UnknownVoice(message, param="payload.voice")
    reply = client.post(PATH, json={"texts": ["One.", "Two."], "voice": "nobody"})
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (422, "unknown_voice", "voice")
    assert error["message"] == message


def test_when_every_text_fails_the_first_error_is_the_answer(
    client: FlaskClient, engine: StandInEngine
) -> None:
    engine.outcome = failing(("One.", RunnerCrashed("three times")), ("Two.", BackendFailed("no")))
    reply = client.post(PATH, json={"texts": ["One.", "Two."]})
    assert (reply.status_code, reply.json["error"]["code"]) == (500, "runner_crashed")


def test_the_owner_of_the_key_owns_the_jobs(configure: Callable[..., None], engine: StandInEngine) -> None:
    configure(TTS_API_KEY="sesame")
    client = create_app(engine).test_client()
    assert client.post(PATH, json={"texts": ["One."]}).status_code == 401
    assert client.post(PATH, json={"texts": ["One."]}, headers={"X-API-Key": "sesame"}).status_code == 200
    assert engine.owner == "default"


# into a bucket


@pytest.fixture
def into_bucket(configure: Callable[..., None], store: Any, engine: StandInEngine) -> FlaskClient:
    configure(**store.variables())
    return create_app(engine).test_client()


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_audio_goes_into_the_bucket_and_the_reply_says_where(
    into_bucket: FlaskClient, engine: StandInEngine, store: Any, accept: str
) -> None:
    engine.outcome = failing(("Two.", BackendFailed("no breath")))
    asked = {"texts": ["One.", "Two.", "Three."], "s3": {"keys": ["audio/one.wav", None, None]}}
    reply = into_bucket.post(PATH, json=asked, headers={"Accept": accept})
    assert reply.status_code == 200
    found = [json.loads(line) for line in reply.data.splitlines()]
    first, second, third = found[0]["results"] if accept == "application/json" else found[:3]
    assert (first["s3_key"], first["text"], first["job_id"]) == (
        "audio/one.wav",
        "One.",
        next(iter(engine.jobs)),
    )
    assert first["s3_url"] == f"{store.url}/speech/audio/one.wav"
    assert first["presigned_url"].startswith(first["s3_url"] + "?")
    assert (first["format"], first["sample_rate"], first["duration_s"]) == ("wav", RATE_HZ, 1.0)
    assert "audio" not in first
    assert second["error"]["message"] == "no breath"
    objects = store.objects()
    assert objects.keys() == {first["s3_key"], third["s3_key"]}
    samples, _ = soundfile.read(io.BytesIO(objects["audio/one.wav"]), dtype="int16")
    assert np.array_equal(samples, engine.samples)


def test_what_cannot_be_put_there_is_an_error_in_its_place_and_the_job_is_kept(
    into_bucket: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    from tests.buckets.object_store import Fault

    store.faults["put"] = [Fault(403, "AccessDenied")]
    reply = into_bucket.post(PATH, json={"texts": ["One.", "Two."], "output": "s3"}).json
    made, failed = sorted(
        zip(reply["results"], reply["job_ids"], strict=True), key=lambda each: "error" in each[0]
    )
    assert failed[0]["error"]["code"] == "upload_failed"  # either: both are on their way
    assert failed[0]["error"]["message"].endswith(f"; the audio is kept as that of job {failed[1]}")
    assert store.objects().keys() == {made[0]["s3_key"]}
    assert engine.cancelled == []
    store.faults["put"] = [Fault(403, "AccessDenied")] * 2
    reply = into_bucket.post(PATH, json={"texts": ["One.", "Two."], "output": "s3"})
    assert (reply.status_code, reply.json["error"]["code"]) == (502, "upload_failed")


def test_the_same_request_again_is_the_same_object(
    into_bucket: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    from tests.buckets.object_store import Fault

    headers = {"Idempotency-Key": "mine"}
    store.faults["put"] = [Fault(403, "AccessDenied")]
    asked = {"texts": ["One."], "output": "s3"}
    assert into_bucket.post(PATH, json=asked, headers=headers).status_code == 502
    first, again = (into_bucket.post(PATH, json=asked, headers=headers).json["results"][0] for _ in range(2))
    assert first["s3_key"] == again["s3_key"]
    assert len(engine.jobs) == len(store.objects()) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"s3": {"key": "elsewhere/a.wav"}}, 422, "invalid_request"),
        ({"s3": {"bucket": "theirs"}}, 422, "invalid_request"),
        ({"output": "s4"}, 422, "invalid_request"),
    ],
)
def test_a_place_that_is_none_is_refused_before_anything_is_spoken(
    into_bucket: FlaskClient, engine: StandInEngine, body: dict[str, Any], status: int, code: str
) -> None:
    reply = into_bucket.post(PATH, json={"texts": ["One."]} | body)
    assert (reply.status_code, reply.json["error"]["code"]) == (status, code)
    assert not engine.submitted


def test_without_a_bucket_it_says_what_is_to_be_set(client: FlaskClient, engine: StandInEngine) -> None:
    pytest.importorskip("boto3", reason="needs the extra [s3]")
    reply = client.post(PATH, json={"texts": ["One."], "output": "s3"})
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "bucket_not_configured")
    assert not engine.submitted


BAD_INPUT = [
    ({}, 422, "invalid_request", "texts"),
    ({"text": "One."}, 422, "invalid_request", "texts"),
    ({"texts": []}, 422, "invalid_request", "texts"),
    ({"texts": None}, 422, "invalid_request", "texts"),
    ({"texts": "One."}, 422, "invalid_request", "texts"),
    ({"texts": {"0": "One."}}, 422, "invalid_request", "texts"),
    ({"texts": ["One.", 2]}, 422, "invalid_request", "texts.1"),
    ({"texts": ["One.", None]}, 422, "invalid_request", "texts.1"),
    ({"texts": ["a", "b", "c", "x" * 1_000_000]}, 413, "too_large", "texts.3"),
    ({"texts": ["a"] * 501}, 413, "too_large", "texts"),
    ({"texts": ["a", "b"], "instructs": ["loud"]}, 422, "invalid_request", "instructs"),
    ({"texts": ["a"], "instructs": []}, 422, "invalid_request", "instructs"),
    ({"texts": ["a"], "instructs": "loud"}, 422, "invalid_request", "instructs"),
    ({"texts": ["a"], "instructs": ["loud"], "instruct": "soft"}, 422, "invalid_request", "instructs"),
    ({"texts": ["a"], "instruct": 1}, 422, "invalid_request", "instruct"),
    ({"texts": ["a"], "speed": 9}, 422, "invalid_request", "speed"),
    ({"texts": ["a"], "speed": "fast"}, 422, "invalid_request", "speed"),
    ({"texts": ["a"], "seed": -1}, 422, "invalid_request", "seed"),
    ({"texts": ["a"], "seed": "lucky"}, 422, "invalid_request", "seed"),
    ({"texts": ["a"], "batch": "yes"}, 422, "invalid_request", "batch"),
    ({"texts": ["a"], "voice": ["en"]}, 422, "invalid_request", "voice"),
    ({"texts": ["a"], "language": 1}, 422, "invalid_request", "language"),
    ({"texts": ["a"], "format": "aiff"}, 422, "invalid_request", "format"),
    ({"texts": ["a"], "priority": -1}, 422, "invalid_request", "priority"),
    ({"texts": ["a"], "application_id": ""}, 422, "invalid_request", "application_id"),
    ({"texts": ["a"], "model": "nothing"}, 422, "unknown_model", "model"),
    ({"texts": ["a"], "model": "nothing/espeak-ng"}, 422, "unknown_model", "model"),
    ({"texts": ["a"], "pitch": 2}, 422, "invalid_request", "pitch"),
    (["a"], 422, "invalid_request", None),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), BAD_INPUT)
def test_bad_input_names_its_field_and_queues_nothing(
    client: FlaskClient, engine: StandInEngine, body: object, status: int, code: str, param: str | None
) -> None:
    reply = client.post(PATH, json=body)
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["request_id"]
    assert not engine.submitted


def test_an_unknown_model_is_told_the_known_ones(client: FlaskClient) -> None:
    reply = client.post(PATH, json={"texts": ["a"], "model": "nothing"})
    assert "known are espeak/espeak-ng, " in reply.json["error"]["message"]
