"""A voice that is trained over HTTP: from recordings to audio in a bucket, on a tiny checkpoint."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import requests
import soundfile

from servers.settings import ROOT
from tests.acceptance.processes import (
    STAND_INS,
    START_S,
    Engine,
    Process,
    eventually,
    free_port,
    running_engine,
)

pytest.importorskip("qwen_tts", reason="needs the extra [qwen], for qwen_tts is not installed")
pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets import fixtures as buckets

moto_port = buckets.moto_port
PATIENCE_S = 900.0
"""The package takes 8 s to import on a quiet machine, and minutes on a busy one."""
HTTP_S = 300.0
MODELS = """
  designer: {{default: tailor, models: {{tailor: {{}}}}}}
  qwen3_tts:
    default: base
    models:
      base: {{checkpoint: {base}}}
  qwen3_tts_training:
    default: tiny
    models:
      tiny: {{checkpoint: {base}, save_every_steps: 1}}
"""
SENTENCES = [
    "The train to the coast leaves at half past seven in the morning.",
    "She put the letters into a wooden box and closed the lid.",
    "Nobody in the village had seen so much snow before.",
    "We counted the boats in the harbour until it was dark.",
]


class Door:
    """The server of trainings, before an engine."""

    def __init__(self, engine: Engine, **settings: str) -> None:
        self.port, self._engine = free_port(), engine
        self._settings = {"SKYLARK_FINETUNE__PORT": str(self.port), **settings}
        self.start()

    def start(self) -> None:
        environment = self._engine.environment | self._settings
        self.server = Process("servers.finetune", environment, self._engine.folder / "finetune.log")
        eventually(self._answers, "the server answers", START_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **more) -> requests.Response:
        return requests.request(method, self.url + path, timeout=HTTP_S, **more)

    def begin(self, dataset: bytes, **fields) -> str:
        reply = self.ask("POST", "/finetune", files={"dataset": dataset}, data=fields)
        assert reply.status_code == 202, reply.text
        return reply.json()["job_id"]

    def job(self, job_id: str) -> dict:
        return self.ask("GET", f"/jobs/{job_id}").json()

    def until(self, job_id: str, *statuses: str) -> dict:
        eventually(lambda: self.job(job_id)["status"] in statuses, f"it is {statuses}", PATIENCE_S)
        return self.job(job_id)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/health").status_code == 200
        except requests.ConnectionError:
            return False


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from tests.backends.tiny_qwen import write_checkpoint

    folder = tmp_path_factory.mktemp("finetune")
    base = write_checkpoint(folder / "base", "base")
    (folder / "models.yaml").write_text((STAND_INS / "models.yaml").read_text() + MODELS.format(base=base))
    with running_engine(
        SKYLARK_MODELS_FILE=str(folder / "models.yaml"),
        SKYLARK_ENGINE__LOAD_TIMEOUT_S=str(PATIENCE_S),
        SKYLARK_ENGINE__DEVICE="cpu",
        SKYLARK_ENGINE__MIN_RESIDENCY_S="0",
        SKYLARK_WHISPERX__MODEL_TYPE="pocketsphinx",
        SKYLARK_TTS__MODEL_TYPE="espeak",
        OMP_NUM_THREADS="1",
    ) as engine:
        yield engine


@pytest.fixture(scope="module")
def bucket(moto_port):
    from tests.buckets.object_store import object_store

    with object_store(moto_port) as store:
        yield store


@pytest.fixture(scope="module")
def door(engine, bucket):
    door = Door(engine, **bucket.variables())
    yield door
    door.server.end()


@pytest.fixture(scope="module")
def dataset(engine) -> bytes:
    """As dataset-maker leaves one: sentences that espeak-ng says."""
    return zipped(engine, SENTENCES)


def zipped(engine: Engine, texts: list[str]) -> bytes:
    """Of the recordings of SENTENCES, with these texts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        lines = []
        for number, (sentence, text) in enumerate(zip(SENTENCES, texts, strict=True), start=1):
            name = f"data/seg_{number:08}.wav"
            archive.writestr(name, spoken(engine, sentence))
            lines.append({"audio": f"./{name}", "text": text, "ref_audio": "./data/ref_audio.wav"})
        archive.writestr("data/ref_audio.wav", spoken(engine, SENTENCES[0]))
        archive.writestr("train.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    return stream.getvalue()


def spoken(engine: Engine, text: str) -> bytes:
    job_id = engine.submit({"text": text, "voice": "en"}, model_type="espeak", model="espeak-ng")
    job = engine.ended(job_id)
    samples = np.frombuffer(engine.audio(job_id), dtype="<i2")
    file = io.BytesIO()
    soundfile.write(file, samples, job["result"]["sample_rate"], format="WAV")
    return file.getvalue()


def test_the_example_trains_a_voice_and_speaks_into_the_bucket(engine, door, bucket, dataset, tmp_path):
    (tmp_path / "voice_dataset.zip").write_bytes(dataset)
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "finetune.py"), str(tmp_path / "voice_dataset.zip")],
        env={**os.environ, "GPU_API": door.url, "POLL_S": "0.5"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stderr
    (job,) = door.ask("GET", "/jobs").json()
    job_id = job["job_id"]
    assert (job["status"], job["speaker_name"]) == ("ready", "hero_voice")
    assert job["inference_url"] == f"/infer/{job_id}"
    assert job["checkpoint_path"].endswith("/checkpoint-epoch-9")
    assert set(bucket.objects()) == {
        "audio/voice_design/ref_voice.wav",
        f"audio/{job_id}/ch1_001.wav",
        f"audio/{job_id}/ch1_002.wav",
    }
    samples, rate = soundfile.read(io.BytesIO(bucket.objects()[f"audio/{job_id}/ch1_001.wav"]))
    assert rate == 24_000
    assert len(samples) > 0
    assert ran.stdout.count("Audio: http") == 2
    timed = door.ask("GET", "/ops/averages").json()
    assert {"prepare_data", "training", "inference_custom_voice", "inference_voice_design"} <= set(timed)
    report = door.ask("GET", f"/jobs/{job_id}/report").json()
    assert (report["lines"], report["kept"]) == (4, 4)
    wav = door.ask("POST", f"/infer/{job_id}", json={"text": "Hello.", "upload_to_s3": False})
    assert wav.headers["Content-Type"] == "audio/wav"
    left = [path.name for path in (engine.data_dir / "trainings" / job_id).iterdir()]
    assert sorted(left) == ["report.json", "training.json"]
    assert not list((engine.data_dir / "datasets").iterdir())


def test_texts_that_are_not_said_are_left_out_of_the_training(engine, door):
    swapped = [SENTENCES[0], SENTENCES[2], SENTENCES[1], SENTENCES[3]]
    job_id = door.begin(zipped(engine, swapped), speaker_name="hero", num_epochs=1)
    door.until(job_id, "training", "loading", "ready")
    report = door.ask("GET", f"/jobs/{job_id}/report").json()
    assert report["kept"] == 2
    assert [(each["line"], each["leaves_out"]) for each in report["findings"] if each["leaves_out"]] == [
        (2, True),
        (3, True),
    ]
    assert {each["code"] for each in report["findings"] if each["leaves_out"]} <= {"unsaid", "not_aligned"}
    door.until(job_id, "ready")
    assert door.ask("DELETE", f"/jobs/{job_id}").json() == {"job_id": job_id, "status": "deleted"}
    assert door.ask("GET", f"/jobs/{job_id}").status_code == 404
    assert door.ask("POST", f"/infer/{job_id}", json={"text": "Hello."}).status_code == 404


def test_a_server_that_is_killed_goes_on_with_its_trainings(door, dataset):
    job_id = door.begin(dataset, speaker_name="hero", num_epochs=2)
    door.server.end()
    door.start()
    job = door.until(job_id, "ready", "failed")
    assert job["status"] == "ready", job
    assert door.ask("DELETE", f"/jobs/{job_id}").status_code == 200


def test_one_that_is_cancelled_while_it_trains_leaves_nothing_but_its_record(engine, door, dataset):
    job_id = door.begin(dataset, speaker_name="hero", num_epochs=1_000, align="false")
    early = door.ask("POST", f"/infer/{job_id}", json={"text": "Hello."})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "conflict")
    eventually(lambda: door.job(job_id)["progress"].get("global_step", 0) >= 1, "it trains", PATIENCE_S)
    progress = door.job(job_id)["progress"]
    assert (progress["stage"], progress["total_epochs"]) == ("training", 1_000)
    assert door.ask("DELETE", f"/jobs/{job_id}").json() == {"job_id": job_id, "status": "cancelled"}
    assert door.job(job_id)["status"] == "cancelled"
    eventually(lambda: not list((engine.data_dir / "datasets").iterdir()), "its data set is gone")
    assert door.ask("DELETE", f"/jobs/{job_id}").json()["status"] == "deleted"
