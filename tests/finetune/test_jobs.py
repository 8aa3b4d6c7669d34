"""/jobs: trainings from queued to ready, failed, cancelled, removed; with a stand-in for the engine."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from servers.errors import BackendFailed, EngineUnavailable, InvalidRequest
from servers.finetune.app import create_app
from servers.finetune.lifecycle import FOLLOWED, PREPARED
from servers.trained_voices import TrainedVoices
from tests.datasets.made import zipped
from tests.finetune.trained import begin, data_set, go_on, lifecycle, train, trains
from tests.jobs.stand_in_engine import StandInEngine, transcript
from tests.web.fixtures import Configure

KEYS = {name: f"a-long-key-of-{name}-0001" for name in ("anna", "ben")}


def test_a_training_goes_from_queued_to_ready_by_way_of_each_status(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    engine.outcome = trains(tmp_path)
    job_id = begin(training, data_set(tmp_path), speaker_name="hero").get_json()["job_id"]
    seen = [training.get(f"/jobs/{job_id}").get_json()]
    for statuses in (PREPARED, FOLLOWED, FOLLOWED):
        lifecycle(training).step(statuses)
        seen.append(training.get(f"/jobs/{job_id}").get_json())
    assert [each["status"] for each in seen] == ["queued", "training", "loading", "ready"]
    assert seen[-1]["inference_url"] == f"/infer/{job_id}"
    assert seen[-1]["checkpoint_path"] == "finetunes/it/checkpoint-epoch-0"
    assert [voice.id for voice in TrainedVoices(tmp_path)] == [job_id]
    trainer = next(job for job in engine.submitted if job["model_type"] == "qwen3_tts_training")
    assert trainer["payload"] == {
        "dataset": job_id, "speaker_name": "hero", "num_epochs": 15, "batch_size": 2, "lr": 1e-6,
    }  # fmt: skip
    first_words = engine.submitted[-1]
    assert (first_words["model_type"], first_words["model"]) == ("qwen3_tts", job_id)
    assert set(first_words["payload"]) == {"task", "text"}
    assert not list((tmp_path / "datasets").iterdir())
    assert sorted(path.name for path in (tmp_path / "trainings" / job_id).iterdir()) == [
        "report.json",
        "training.json",
    ]


def test_while_it_trains_its_progress_is_the_engines(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    engine.outcome = lambda payload: trains(tmp_path)(payload) if "task" in payload else None
    job_id = begin(training, data_set(tmp_path), num_epochs="10").get_json()["job_id"]
    go_on(training)
    (running,) = [job for job in engine.jobs.values() if job["finished_at"] is None]
    details = {
        "stage": "training",
        "epoch": 5,
        "total_epochs": 10,
        "step": 12,
        "loss": 0.02,
        "global_step": 42,
    }
    running |= {"progress": 0.5, "progress_details": details}
    progress = training.get(f"/jobs/{job_id}").get_json()["progress"]
    assert progress == details | {"share": 0.5}
    assert training.get("/jobs").get_json()[0]["progress"] == progress


def test_every_line_is_listened_to_and_the_report_says_of_which_the_text_is_not_heard(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    def hears(payload):
        heard = transcript(payload)
        words = [
            {"word": "sentence", "start": 0.0, "end": 0.1, "score": 0.01 if "2" in payload["text"] else 0.9}
        ]
        return heard | {"words": words}

    engine.outcome = lambda payload: (
        hears(payload) if payload.get("task") == "align" else trains(tmp_path)(payload)
    )
    job_id = begin(training, data_set(tmp_path), language="en").get_json()["job_id"]
    assert training.get(f"/jobs/{job_id}/report").status_code == 409
    go_on(training)
    reply = training.get(f"/jobs/{job_id}/report")
    report = reply.get_json()
    assert (report["lines"], report["kept"]) == (3, 2)
    assert [(each["line"], each["code"], each["leaves_out"]) for each in report["findings"]] == [
        (2, "unsaid", True)
    ]
    assert f"report-{job_id}.json" in reply.headers["Content-Disposition"]
    asked = [job["payload"] for job in engine.submitted if job["payload"].get("task") == "align"]
    assert [each["language"] for each in asked] == ["en"] * 3


def test_where_nobody_listens_in_that_language_the_texts_are_taken_as_they_are(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    unknown = InvalidRequest("it knows English alone", param="payload.language")
    engine.outcome = lambda payload: unknown if payload.get("task") == "align" else trains(tmp_path)(payload)
    job_id = begin(training, data_set(tmp_path), language="tlh").get_json()["job_id"]
    go_on(training)
    job = training.get(f"/jobs/{job_id}").get_json()
    assert job["status"] == "ready"
    assert "it knows English alone" in job["warnings"][0]


def test_a_data_set_of_which_nothing_can_be_used_fails_with_its_report(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    engine.outcome = trains(tmp_path)
    data_set(tmp_path)
    for recording in (tmp_path / "made" / "data").glob("seg*"):
        recording.unlink()
    content = zipped(tmp_path / "made", tmp_path / "made.zip").read_bytes()
    job_id = begin(training, content).get_json()["job_id"]
    go_on(training)
    job = training.get(f"/jobs/{job_id}").get_json()
    assert (job["status"], job["error"]["code"]) == ("failed", "invalid_dataset")
    assert training.get(f"/jobs/{job_id}/report").get_json()["kept"] == 0


@pytest.mark.parametrize("task", ["train", "synthesize"])
def test_what_fails_says_why_and_is_no_voice(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path, task: str
) -> None:
    failed = BackendFailed("the loss is no number any more")
    engine.outcome = lambda payload: (
        failed if payload.get("task", "train") == task else trains(tmp_path)(payload)
    )
    job_id = begin(training, data_set(tmp_path)).get_json()["job_id"]
    go_on(training)
    job = training.get(f"/jobs/{job_id}").get_json()
    assert (job["status"], job["error"]["message"]) == ("failed", "the loss is no number any more")
    assert list(TrainedVoices(tmp_path)) == []
    assert not list((tmp_path / "datasets").iterdir())


@pytest.mark.parametrize("calls", range(1, 6))
def test_an_engine_that_is_away_for_a_while_costs_nothing_but_time(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path, calls: int
) -> None:
    engine.outcome = trains(tmp_path)
    job_id = begin(training, data_set(tmp_path)).get_json()["job_id"]
    engine.away_calls = calls
    for _ in range(calls):
        try:
            go_on(training)
        except EngineUnavailable:
            continue
    go_on(training)
    go_on(training)
    assert training.get(f"/jobs/{job_id}").get_json()["status"] == "ready"
    assert len([job for job in engine.by_key if job.endswith("/training")]) == 1


def test_a_server_that_is_told_to_stop_leaves_what_it_prepares_to_the_next_one(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    def stops(payload):
        lifecycle(training).stop()

    engine.outcome = stops
    job_id = begin(training, data_set(tmp_path)).get_json()["job_id"]
    lifecycle(training).step(PREPARED)
    assert training.get(f"/jobs/{job_id}").get_json()["status"] == "preparing"
    engine.outcome = trains(tmp_path)
    engine.by_key.clear()
    next_one = create_app(engine).test_client()
    go_on(next_one)
    assert next_one.get(f"/jobs/{job_id}").get_json()["status"] == "ready"


def test_one_that_is_cancelled_ends_the_engines_job_and_leaves_its_record_until_it_is_removed(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    engine.outcome = lambda payload: trains(tmp_path)(payload) if "task" in payload else None
    job_id = begin(training, data_set(tmp_path)).get_json()["job_id"]
    lifecycle(training).step(PREPARED)
    assert training.delete(f"/jobs/{job_id}").get_json() == {"job_id": job_id, "status": "cancelled"}
    assert len(engine.cancelled) == 1
    go_on(training)
    assert not list((tmp_path / "datasets").iterdir())
    assert training.get(f"/jobs/{job_id}").get_json()["status"] == "cancelled"
    assert training.delete(f"/jobs/{job_id}").get_json() == {"job_id": job_id, "status": "deleted"}
    assert training.get(f"/jobs/{job_id}").status_code == 404
    assert not list((tmp_path / "trainings").glob("[!.]*"))


def test_one_that_is_ready_is_removed_with_its_voice(
    training: FlaskClient, engine: StandInEngine, tmp_path: Path
) -> None:
    job_id = train(training, engine, tmp_path)
    (tmp_path / "finetunes" / lifecycle(training).trainings.now(job_id).job_id).mkdir()  # type: ignore[union-attr,arg-type]
    assert training.delete(f"/jobs/{job_id}").get_json()["status"] == "deleted"
    assert list(TrainedVoices(tmp_path)) == []
    assert [path.name for path in (tmp_path / "finetunes").iterdir()] == ["it"]
    assert training.post(f"/infer/{job_id}", json={"text": "Hello."}).status_code == 404


def test_trainings_are_their_keys_alone(
    trainer: None, configure: Configure, engine: StandInEngine, tmp_path: Path
) -> None:
    hashes = ",".join(f"{name}:{sha256(key.encode()).hexdigest()}" for name, key in KEYS.items())
    configure(SKYLARK_API_KEYS=hashes)
    client = create_app(engine).test_client()
    anna, ben = ({"X-API-Key": key} for key in KEYS.values())
    with (tmp_path / "voice.zip").open("wb") as file:
        file.write(data_set(tmp_path))
    with (tmp_path / "voice.zip").open("rb") as file:
        job_id = client.post("/finetune", data={"dataset": file}, headers=anna).get_json()["job_id"]
    assert [each["job_id"] for each in client.get("/jobs", headers=anna).get_json()] == [job_id]
    assert client.get("/jobs", headers=ben).get_json() == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/report")):
        assert client.open(f"/jobs/{job_id}{path}", method=method, headers=ben).status_code == 404


@pytest.mark.parametrize("name", ["0123456789ab", "nothing", "..%2f..", "0123456789AB"])
def test_a_job_that_is_not_there_is_404(training: FlaskClient, name: str) -> None:
    for method, path in (
        ("GET", f"/jobs/{name}"),
        ("DELETE", f"/jobs/{name}"),
        ("GET", f"/jobs/{name}/report"),
    ):
        assert training.open(path, method=method).status_code == 404
