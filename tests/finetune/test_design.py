"""POST /voice-design, into a store over HTTP, with a stand-in for the engine."""

from __future__ import annotations

import io
import re
import urllib.request
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from servers.errors import BackendFailed
from servers.finetune.app import create_app
from tests.jobs.stand_in_engine import RATE_HZ, StandInEngine, speech
from tests.web.fixtures import Configure

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import Fault

PATH = "/voice-design"
WARM = {"text": "Welcome to this audiobook.", "instruct": "A warm male voice, middle-aged"}


def test_the_reply_is_a_wav_of_the_model_that_can_design(client: FlaskClient, engine: StandInEngine) -> None:
    reply = client.post(PATH, json=WARM)
    assert (reply.status_code, reply.content_type) == (200, "audio/wav")
    samples, rate = soundfile.read(io.BytesIO(reply.data))
    assert (rate, len(samples)) == (RATE_HZ, RATE_HZ)
    assert engine.submitted[0]["model"] == "tailor"
    assert engine.payloads == [{"task": "synthesize", "language": "English"} | WARM]
    assert reply.headers["X-Job-Id"] in engine.jobs


def test_a_file_that_is_named_is_in_the_bucket_unless_that_is_not_wanted(
    stored: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    made = stored.post(PATH, json=WARM | {"s3_filename": "ref_voice.wav"}).json
    (job_id,) = engine.jobs
    assert made["s3_key"] == "audio/voice_design/ref_voice.wav"
    assert made["s3_url"] == f"{store.url}/speech/audio/voice_design/ref_voice.wav"
    assert (made["job_id"], made["text"], made["sample_rate"]) == (job_id, WARM["text"], RATE_HZ)
    with urllib.request.urlopen(made["presigned_url"], timeout=30) as reply:
        assert reply.read() == store.objects()[made["s3_key"]]
    asked = WARM | {"s3_filename": "other.wav", "upload_to_s3": False}
    assert stored.post(PATH, json=asked).content_type == "audio/wav"
    assert list(store.objects()) == [made["s3_key"]]


def test_one_without_a_name_is_called_as_its_job(stored: FlaskClient, store: Any) -> None:
    made = stored.post(PATH, json=WARM | {"upload_to_s3": True}).json
    assert re.fullmatch(rf"audio/voice_design/{made['job_id']}\.wav", made["s3_key"])
    assert list(store.objects()) == [made["s3_key"]]


def test_a_wav_that_is_long_comes_whole(client: FlaskClient, engine: StandInEngine) -> None:
    engine.samples = np.zeros(60 * RATE_HZ, dtype="<i2")
    engine.outcome = lambda payload: speech(payload) | {"samples": 60 * RATE_HZ}
    with client.post(PATH, json=WARM) as reply:
        assert reply.content_length == len(reply.data) > 60 * RATE_HZ * 2


def test_how_long_model_and_bucket_took_is_in_the_history(stored: FlaskClient, engine: StandInEngine) -> None:
    stored.post(PATH, json=WARM | {"upload_to_s3": True})
    engine.outcome = lambda _: BackendFailed("no")
    assert stored.post(PATH, json=WARM).status_code == 500
    failed, sent, spoken = stored.get("/ops/history").json
    assert (failed["op_name"], failed["status"]) == ("inference_voice_design", "failed")
    assert failed["error"] == "backend_failed"
    assert (sent["op_name"], sent["status"]) == ("s3_upload", "completed")
    assert sent["duration_seconds"] > 0
    assert (spoken["op_name"], spoken["duration_seconds"]) == ("inference_voice_design", 0.75)
    assert sent["job_id"] == spoken["job_id"]
    assert stored.get("/ops/averages").json["inference_voice_design"]["count"] == 1


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"instruct": " "}, 422, "instruct"),
        ({"instruct": None}, 422, "instruct"),
        ({"text": "x" * 30_000}, 413, "text"),
        ({"language": "a\0"}, 422, "language"),
        ({"upload_to_s3": "yes"}, 422, "upload_to_s3"),
        ({"s3_filename": "../a.wav"}, 422, "s3_filename"),
        ({"s3_filename": ""}, 422, "s3_filename"),
        ({"voice": "anna"}, 422, "voice"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_spoken(
    stored: FlaskClient, engine: StandInEngine, body: dict[str, Any], status: int, param: str
) -> None:
    reply = stored.post(PATH, json=WARM | body)
    assert (reply.status_code, reply.json["error"]["param"]) == (status, param)
    assert not engine.submitted


def test_without_a_bucket_or_a_model_that_can_it_says_so(
    configure: Configure, client: FlaskClient, engine: StandInEngine, tmp_path: Any
) -> None:
    reply = client.post(PATH, json=WARM | {"upload_to_s3": True})
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "bucket_not_configured")
    models = tmp_path / "models.yaml"
    models.write_text(models.read_text().replace("  designer:", "  #designer:"))
    reply = create_app(engine).test_client().post(PATH, json=WARM)
    assert (reply.status_code, reply.json["error"]["code"]) == (422, "unknown_model")
    assert "skylark models pull" in reply.json["error"]["message"]
    assert not engine.submitted


def test_what_the_bucket_does_not_take_is_its_jobs_audio_still(
    stored: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    store.faults["put"] = [Fault(403, "AccessDenied")]
    reply = stored.post(PATH, json=WARM | {"upload_to_s3": True})
    assert (reply.status_code, reply.json["error"]["code"]) == (502, "upload_failed")
    assert reply.json["error"]["message"].endswith(f"is kept as that of job {next(iter(engine.jobs))}")
