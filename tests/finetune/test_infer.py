"""/infer/<job_id> and its batch: a trained voice's texts, as WAV or into the bucket."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import soundfile
from flask.testing import FlaskClient

from servers.errors import BackendFailed
from servers.finetune.app import create_app
from tests.finetune.trained import begin, data_set, train
from tests.jobs.stand_in_engine import RATE_HZ, StandInEngine, speech

HELLO = {"text": "Hello, welcome to our audiobook.", "language": "English"}


@pytest.fixture
def voice(training: FlaskClient, engine: StandInEngine, tmp_path: Path) -> str:
    return train(training, engine, tmp_path, speaker_name="hero")


def test_a_text_goes_into_the_bucket_where_there_is_one(
    training: FlaskClient, engine: StandInEngine, store: Any, voice: str
) -> None:
    placed = training.post(f"/infer/{voice}", json=HELLO | {"instruct": "calm"}).get_json()
    assert (placed["text"], placed["job_id"], placed["sample_rate"]) == (HELLO["text"], voice, RATE_HZ)
    assert placed["s3_key"].startswith(f"audio/{voice}/")
    assert list(store.objects()) == [placed["s3_key"]]
    job = engine.submitted[-1]
    assert (job["model_type"], job["model"]) == ("qwen3_tts", voice)
    assert job["payload"] == {"task": "synthesize", "instruct": "calm"} | HELLO


@pytest.mark.parametrize(
    ("body", "headers"),
    [({"upload_to_s3": False}, {}), ({}, {"Accept": "audio/wav"})],
    ids=["said", "accepted"],
)
def test_a_text_is_a_wav_where_that_is_wanted(
    training: FlaskClient, store: Any, voice: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    reply = training.post(f"/infer/{voice}", json=HELLO | body, headers=headers)
    assert reply.content_type == "audio/wav"
    assert soundfile.info(io.BytesIO(reply.data)).samplerate == RATE_HZ
    assert not store.objects()


def test_a_text_is_a_wav_where_there_is_no_bucket(
    trainer: None, engine: StandInEngine, tmp_path: Path
) -> None:
    client = create_app(engine).test_client()
    voice = train(client, engine, tmp_path)
    assert client.post(f"/infer/{voice}", json=HELLO).content_type == "audio/wav"
    bodies = {"": HELLO | {"upload_to_s3": True}, "/batch": {"items": [{"text": "Hello."}]}}
    for path, body in bodies.items():
        reply = client.post(f"/infer/{voice}{path}", json=body)
        assert (reply.status_code, reply.get_json()["error"]["code"]) == (503, "bucket_not_configured")


def test_a_book_and_its_chapter_are_the_path(training: FlaskClient, store: Any, voice: str) -> None:
    where = {"book_id": "book_001", "chapter_id": "chapter_1", "s3_filename": "intro.wav"}
    placed = training.post(f"/infer/{voice}", json=HELLO | where).get_json()
    assert placed["s3_key"] == "audio/segments/book_001/chapter_1/intro.wav"


def test_a_batch_is_told_in_order_also_what_failed(
    training: FlaskClient, engine: StandInEngine, store: Any, voice: str
) -> None:
    engine.outcome = lambda payload: BackendFailed("no") if payload["text"] == "Two." else speech(payload)
    items = [{"text": "One.", "filename": "1.wav"}, {"text": "Two.", "filename": "2.wav"}, {"text": "Three."}]
    one, two, three = training.post(f"/infer/{voice}/batch", json={"items": items, "book_id": "b"}).get_json()
    assert (one["s3_key"], one["text"], one["job_id"]) == ("audio/segments/b/1.wav", "One.", voice)
    assert (two["text"], two["error"]["code"], "s3_url" in two) == ("Two.", "backend_failed", False)
    assert three["s3_key"].startswith("audio/segments/b/")
    assert set(store.objects()) == {one["s3_key"], three["s3_key"]}
    assert training.get("/ops/averages").get_json()["inference_custom_voice"]["count"] == 2


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"text": "x" * 30_000}, "text"),
        ("", HELLO | {"s3_filename": "../a.wav"}, "s3_filename"),
        ("", HELLO | {"chapter_id": "c"}, "chapter_id"),
        ("", HELLO | {"speed": 2}, "speed"),
        ("/batch", {"items": []}, "items"),
        (
            "/batch",
            {"items": [{"text": "a", "filename": "a"}, {"text": "b", "filename": "a"}]},
            "items.1.filename",
        ),
        ("/batch", {"items": [{"text": "a", "filename": "a/b"}]}, "items.0.filename"),
        ("/batch", {"items": [{"text": "x" * 30_000}]}, "items.0.text"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_spoken(
    training: FlaskClient, engine: StandInEngine, voice: str, path: str, body: dict[str, Any], param: str
) -> None:
    submitted = len(engine.jobs)
    reply = training.post(f"/infer/{voice}{path}", json=body)
    assert reply.status_code in (413, 422)
    assert reply.get_json()["error"]["param"] == param
    assert len(engine.jobs) == submitted


def test_a_voice_that_is_not_ready_is_409(training: FlaskClient, tmp_path: Path) -> None:
    job_id = begin(training, data_set(tmp_path)).get_json()["job_id"]
    for path, body in {"": HELLO, "/batch": {"items": [{"text": "Hello."}]}}.items():
        reply = training.post(f"/infer/{job_id}{path}", json=body)
        assert (reply.status_code, reply.get_json()["error"]["code"]) == (409, "conflict")
        assert "queued" in reply.get_json()["error"]["message"]
