"""A voice that is trained behind the engine: interrupted, killed, cancelled, on a tiny checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.processes import STAND_INS, Engine, eventually, running_engine

pytest.importorskip("qwen_tts", reason="needs the extra [qwen], for qwen_tts is not installed")

PATIENCE_S = 900.0
"""The package takes 8 s to import on a quiet machine, and minutes on a busy one."""
MODELS = """
  qwen3_tts_training:
    default: tiny
    models:
      tiny: {{checkpoint: {base}, save_every_steps: 1}}
"""
PAYLOAD = {"dataset": "tones", "speaker_name": "hero", "lr": 1e-3, "warmup_steps": 2, "batch_size": 1}
PAYLOAD |= {"gradient_accumulation": 2, "num_epochs": 15}
STEPS = 30


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from tests.backends.tiny_dataset import write_dataset
    from tests.backends.tiny_qwen import write_checkpoint

    folder = tmp_path_factory.mktemp("training")
    models = (STAND_INS / "models.yaml").read_text() + MODELS.format(
        base=write_checkpoint(folder / "base", "base")
    )
    (folder / "models.yaml").write_text(models)
    with running_engine(
        SKYLARK_MODELS_FILE=str(folder / "models.yaml"),
        SKYLARK_ENGINE__LOAD_TIMEOUT_S=str(PATIENCE_S),
        SKYLARK_ENGINE__DEVICE="cpu",
        SKYLARK_ENGINE__MAX_MODELS="2",
        SKYLARK_ENGINE__MIN_RESIDENCY_S="0",
        OMP_NUM_THREADS="1",
    ) as engine:
        write_dataset(engine.data_dir / "datasets" / "tones")
        yield engine


def train(engine: Engine, **payload) -> str:
    job = {"model_type": "qwen3_tts_training", "payload": PAYLOAD | payload, "expires": False}
    (job_id,) = engine.client.submit([job])
    return job_id


def steps(engine: Engine, job_id: str) -> int:
    return (engine.client.get(job_id)["progress_details"] or {}).get("global_step", 0)


def trained(engine: Engine, job_id: str) -> dict:
    job = engine.ended(job_id, PATIENCE_S)
    assert job["status"] == "done", job["error"]
    return job["result"]


def kill_the_trainer(engine: Engine) -> None:
    log = (engine.folder / "engine.log").read_text().splitlines()
    lines = [json.loads(line) for line in log if line.startswith("{")]  # the package's shell says more
    pids = [line["runner"] for line in lines if line.get("action") == "load" and "training" in line["model"]]
    (runner,) = [each for each in engine.runners() if each.pid == pids[-1]]
    runner.kill()


def test_a_training_that_was_interrupted_and_killed_comes_to_the_same_weights(engine):
    whole, killed = train(engine), train(engine)
    until = trained(engine, whole)
    assert (until["global_step"], len(until["epochs"])) == (STEPS, 15)
    eventually(lambda: steps(engine, killed) >= 3, "it trains", PATIENCE_S)
    assert engine.ended(engine.submit({"text": "now", "chunks": 1}, priority=0))["status"] == "done"
    assert engine.status(killed) == "running"
    kill_the_trainer(engine)
    result = trained(engine, killed)
    assert "lost" in [each["outcome"] for each in engine.events(killed)[-1]["attempts"]]
    assert Path(result["checkpoint"]) == engine.data_dir / "finetunes" / killed / "checkpoint-epoch-14"
    for file in ("model.safetensors", "config.json"):
        mine, others = (Path(each["checkpoint"], file).read_bytes() for each in (result, until))
        assert mine == others
    assert result["epochs"] == until["epochs"]
    assert not (engine.data_dir / "saves" / killed).exists(), "the optimiser's state is gone"


def test_a_training_that_is_cancelled_stops_and_others_go_on(engine):
    long = train(engine, num_epochs=1_000)
    eventually(lambda: steps(engine, long) >= 2, "it trains", PATIENCE_S)
    details = engine.client.get(long)["progress_details"]
    assert (details["stage"], details["total_epochs"]) == ("training", 1_000)
    engine.client.cancel(long)
    assert engine.status(long) == "cancelled"
    assert trained(engine, train(engine, num_epochs=1))["global_step"] == 2
    assert not (engine.data_dir / "saves" / long).exists()


def test_what_cannot_be_trained_fails_with_its_reason(engine):
    job = engine.ended(train(engine, dataset="nothing"), PATIENCE_S)
    assert (job["status"], job["error"]["code"]) == ("failed", "invalid_dataset")
    assert job["attempt"] == 1
