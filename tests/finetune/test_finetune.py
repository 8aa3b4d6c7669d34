"""POST /finetune: what a training is begun with, and what is refused before anything is done."""

from __future__ import annotations

import io
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from servers.finetune.app import create_app
from tests.finetune.trained import begin, data_set, go_on, lifecycle, trains
from tests.jobs.stand_in_engine import StandInEngine
from tests.web.fixtures import Configure

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import BUCKET, Fault

ANNAS = "a-long-key-of-anna-0001"


def trainings(folder: Path) -> list[str]:
    return [path.name for path in (folder / "trainings").glob("[!.]*")]


def test_a_data_set_that_is_sent_is_a_training_that_is_queued(training: FlaskClient, tmp_path: Path) -> None:
    reply = begin(training, data_set(tmp_path), speaker_name="Hero_voice", num_epochs="10", lr="2e-6")
    assert reply.status_code == 202, reply.text
    begun = reply.get_json()
    assert (begun["status"], begun["speaker_name"]) == ("queued", "Hero_voice")
    assert begun["config"] == {"num_epochs": 10, "batch_size": 2, "lr": 2e-6, "flash_attn": False}
    assert trainings(tmp_path) == [begun["job_id"]]


def test_what_the_bucket_has_is_fetched_when_it_is_prepared(
    training: FlaskClient, engine: StandInEngine, store: Any, tmp_path: Path
) -> None:
    engine.outcome = trains(tmp_path)
    key = "datasets/Hero1/dataset.zip"
    store.client.put_object(Bucket=BUCKET, Key=key, Body=data_set(tmp_path))
    begun = training.post("/finetune", json={"dataset_s3_key": key}).get_json()
    assert begun["speaker_name"] == "speaker_custom"
    assert begun["config"]["num_epochs"] == 15
    go_on(training)
    assert training.get(f"/jobs/{begun['job_id']}").get_json()["status"] == "ready"


def test_without_a_model_that_trains_it_says_which_command_mends_that(client: FlaskClient) -> None:
    reply = client.post("/finetune", json={"dataset_s3_key": "datasets/a.zip"})
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (503, "missing_extra")
    assert "scripts/setup-finetune" in reply.get_json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"speaker_name": "Hero_1"}, 422, "speaker_name"),
        ({"num_epochs": "0"}, 422, "num_epochs"),
        ({"num_epochs": "many"}, 422, "num_epochs"),
        ({"lr": "nan"}, 422, "lr"),
        ({"book_id": "../b"}, 422, "book_id"),
        ({"chapter_id": "c"}, 422, "chapter_id"),
        ({"character_id": "a/b"}, 422, "character_id"),
        ({"epochs": "3"}, 422, "epochs"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_its_name(
    training: FlaskClient, tmp_path: Path, fields: dict[str, str], status: int, param: str
) -> None:
    reply = begin(training, data_set(tmp_path), **fields)
    assert (reply.status_code, reply.get_json()["error"]["param"]) == (status, param)
    assert trainings(tmp_path) == []


def empty_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data/a.wav", "x")
    return stream.getvalue()


@pytest.mark.parametrize(("content", "says"), [(b"no zip", "no zip"), (empty_zip(), "train.jsonl")])
def test_what_is_no_data_set_is_refused_at_once(
    training: FlaskClient, tmp_path: Path, content: bytes, says: str
) -> None:
    reply = begin(training, content)
    error = reply.get_json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, "invalid_dataset", "dataset")
    assert says in error["message"]
    assert trainings(tmp_path) == []


@pytest.mark.parametrize("body", [{"data": {"speaker_name": "hero"}}, {"json": {}}])
def test_a_request_without_a_data_set_says_how_one_is_sent(
    training: FlaskClient, body: dict[str, Any]
) -> None:
    more = {"content_type": "multipart/form-data"} if "data" in body else {}
    error = training.post("/finetune", **body, **more).get_json()["error"]
    assert error["param"] in ("dataset", "dataset_s3_key")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(None, 400, "invalid_dataset"), (Fault(403, "AccessDenied"), 502, "upload_failed"),
     (Fault(503, "SlowDown"), 503, "bucket_unreachable")],
)  # fmt: skip
def test_what_the_bucket_does_not_give_is_said_at_once(
    training: FlaskClient, store: Any, tmp_path: Path, fault: Fault | None, status: int, code: str
) -> None:
    store.faults["get"] = [fault] * 20 if fault else []
    reply = training.post("/finetune", json={"dataset_s3_key": "datasets/none.zip"})
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (status, code)
    assert trainings(tmp_path) == []


def test_a_key_names_only_data_sets_of_its_own(
    trainer: None, configure: Configure, store: Any, engine: StandInEngine
) -> None:
    configure(**store.variables(), SKYLARK_API_KEYS=f"anna:{sha256(ANNAS.encode()).hexdigest()}")
    client = create_app(engine).test_client()
    headers = {"X-API-Key": ANNAS}
    reply = client.post("/finetune", json={"dataset_s3_key": "datasets/ben/d.zip"}, headers=headers)
    assert (reply.status_code, reply.get_json()["error"]["param"]) == (422, "dataset_s3_key")
    assert "'datasets/anna/'" in reply.get_json()["error"]["message"]


def test_a_training_to_go_on_from_that_is_not_there_is_said_and_the_base_is_taken(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    engine.outcome = trains(tmp_path)
    content = data_set(tmp_path)
    begun = begin(training, content, resume_job_id="0123456789ab").get_json()
    assert "trained from the base" in begun["warnings"][0]
    go_on(training)
    again = begin(training, content, resume_job_id=begun["job_id"]).get_json()
    assert again["warnings"] == []
    go_on(training)
    first, second = (job["payload"] for job in engine.submitted if job["model_type"] == "qwen3_tts_training")
    assert "resume_job_id" not in first
    assert second["resume_job_id"] == lifecycle(training).trainings.now(begun["job_id"]).job_id  # type: ignore[union-attr]


def test_only_a_data_set_may_be_larger_than_any_other_body(
    trainer: None, configure: Configure, engine: StandInEngine, tmp_path: Path
) -> None:
    configure(SKYLARK_LIMITS__MAX_BODY_MB="0.001")
    client = create_app(engine).test_client()
    assert begin(client, data_set(tmp_path)).status_code == 202
    assert client.post("/voice-design", json={"text": "x" * 2_000, "instruct": "warm"}).status_code == 413
