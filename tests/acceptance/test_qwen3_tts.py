"""The server that speaks, over real HTTP, with Qwen3-TTS on tiny random checkpoints behind the engine.

Random weights never come to an end of their own: `max_frames` ends each text, and the reply says so.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.acceptance.processes import running_appliance

pytest.importorskip("qwen_tts", reason="needs the extra [qwen], for qwen_tts is not installed")

PATIENCE_S = 900.0
"""The package takes 8 s to import on a quiet machine, and minutes on a busy one."""
FRAMES = 12
FRAME = 1920
MODELS = """
backends:
  qwen3_tts:
    default: custom
    models:
      custom: {{checkpoint: {custom_voice}, max_frames: {frames}, trim_silence: false}}
      design: {{checkpoint: {voice_design}, max_frames: {frames}}}
      base: {{checkpoint: {base}}}
      missing: {{checkpoint: qwen3-none}}
  pocketsphinx: {{default: en-us, models: {{en-us: {{}}}}}}
"""


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    from tests.backends import tiny_qwen

    folder = tmp_path_factory.mktemp("qwen")
    (folder / "models.yaml").write_text(MODELS.format(**tiny_qwen.write_checkpoints(folder), frames=FRAMES))
    settings = {
        "SKYLARK_MODELS_FILE": str(folder / "models.yaml"),
        "SKYLARK_TTS__MODEL_TYPE": "qwen3_tts",
        "SKYLARK_ENGINE__LOAD_TIMEOUT_S": str(PATIENCE_S),
        "SKYLARK_ENGINE__DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",  # more stall each other where tests run side by side
        "SKYLARK_ENGINE__MAX_MODELS": "4",  # to import the package takes longer than all the rest
    }
    with running_appliance(**settings) as appliance:
        yield appliance


def generate(appliance, texts: list[str], **fields):
    return appliance.post("tts", "/generate_batch", json={"texts": texts, **fields}, timeout=PATIENCE_S)


def samples(result: dict) -> np.ndarray:
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(result["audio"])), dtype="int16")
    assert rate == result["sample_rate"] == 24_000
    return audio


def job(appliance, model: str, **payload) -> str:
    (job_id,) = appliance.jobs.submit([{"model_type": "qwen3_tts", "model": model, "payload": payload}])
    return job_id


def ended(appliance, model: str, **payload) -> dict:
    return appliance.jobs.wait(job(appliance, model, **payload), timeout_s=PATIENCE_S)


def test_texts_are_spoken_and_the_reply_says_that_they_were_cut(appliance):
    reply = generate(appliance, ["Good morning.", "第三句。"], voice="Vivian", batch=True)
    assert reply.status_code == 200, reply.text
    for result in reply.json()["results"]:
        assert len(samples(result)) == FRAMES * FRAME
        assert np.abs(samples(result)).max() > 100
        assert result["finish_reason"] == "length"


def test_a_seed_gives_the_same_audio_alone_and_among_others(appliance):
    (alone,) = generate(appliance, ["Good morning."], voice="ryan", seed=7).json()["results"]
    among = generate(appliance, ["One.", "Good morning.", "Three."], voice="ryan", seed=7, batch=True)
    other = generate(appliance, ["Good morning."], voice="ryan", seed=8)
    assert np.abs(samples(alone).astype(int) - samples(among.json()["results"][1])).max() <= 33  # 1e-3
    assert not np.array_equal(samples(alone), samples(other.json()["results"][0]))


@pytest.mark.parametrize(
    ("model", "fields", "param", "says"),
    [
        ("custom", {"voice": "nobody"}, "voice", "vivian"),
        ("custom", {"voice": "ryan", "language": "tlh"}, "language", "en"),
        ("design", {"voice": "ryan", "instruct": "a low voice"}, "voice", "instruct"),
        ("base", {}, "voice", "name a cloned voice"),
        ("custom", {"texts": ["👍 🎉"]}, "texts.0", "no words"),
    ],
)
def test_what_the_checkpoint_cannot_do_is_refused_and_the_server_goes_on(
    appliance, model, fields, param, says
):
    reply = generate(appliance, **{"texts": ["Good morning."], "model": f"qwen3_tts/{model}", **fields})
    error = reply.json()["results"][0]["error"] if reply.status_code == 200 else reply.json()["error"]
    assert (error["code"] in ("invalid_request", "unknown_voice"), error["param"]) == (True, param)
    assert says in error["message"]
    assert generate(appliance, ["Good morning."], voice="ryan").status_code == 200


def test_a_voice_is_designed(appliance):
    designed = ended(appliance, "design", text="Good morning.", instruct="A warm low voice.")
    assert (designed["status"], designed["result"]["samples"]) == ("done", FRAMES * FRAME)


@pytest.fixture
def clip(tmp_path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * 220 * np.arange(48_000) / 24_000), 24_000)
    return path


def test_a_voice_is_cloned_from_a_clip_and_not_from_silence(appliance, clip):
    reference = {"reference_audio_path": str(clip), "reference_text": "Some words."}
    cloned = ended(appliance, "base", text="Good morning.", max_frames=FRAMES, **reference)
    assert (cloned["status"], cloned["result"]["finish_reason"]) == ("done", "length")
    soundfile.write(clip, np.zeros(48_000), 24_000)
    silent = ended(appliance, "base", text="Good morning.", max_frames=FRAMES, **reference)
    assert (silent["status"], silent["error"]["param"]) == ("failed", "reference_audio_path")


def test_audio_is_heard_while_it_is_made_and_a_cancelled_text_ends(appliance, clip):
    text = "Good morning. " * 40
    job_id = job(appliance, "base", text=text, reference_audio_path=str(clip), x_vector_only=True)
    with appliance.jobs.audio(job_id) as audio:
        assert next(audio.chunks)
        assert appliance.jobs.get(job_id)["status"] == "running"
        appliance.jobs.cancel(job_id)
    assert appliance.jobs.get(job_id)["status"] == "cancelled"
    assert ended(appliance, "custom", text="Good morning.")["status"] == "done"


def test_a_checkpoint_that_is_not_there_says_the_command_and_the_server_goes_on(appliance):
    reply = generate(appliance, ["Good morning."], model="qwen3_tts/missing")
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (503, "model_load_failed")
    assert "skylark models pull qwen3-none" in error["message"]
    assert generate(appliance, ["Good morning."], voice="ryan").status_code == 200


def test_a_cloned_voice_is_spoken_by_the_base_checkpoint_as_its_clip_would_be(appliance, tmp_path):
    noise = np.random.default_rng(5).normal(0, 0.1, 48_000).clip(-1, 1)
    soundfile.write(tmp_path / "clip.wav", noise, 24_000, subtype="PCM_16")
    about = {"name": "Mimi", "reference_text": "So it is.", "consent": "It is nobody's voice."}
    with (tmp_path / "clip.wav").open("rb") as clip:
        made = appliance.post("tts", "/v1/voices", data=about, files={"file": clip})
    assert (made.status_code, made.json()["model"]) == (200, "qwen3_tts/base"), made.text
    asked = {"seed": 7, "max_frames": FRAMES}
    clip_itself = {"reference_audio_path": str(tmp_path / "clip.wav"), "reference_text": "So it is."}
    jobs = [
        job(appliance, "base", text="Good morning.", **asked, **who)
        for who in (clip_itself, {"voice": "mimi"})
    ]
    for each in jobs:
        assert appliance.jobs.wait(each, timeout_s=PATIENCE_S)["status"] == "done"
    with appliance.jobs.audio(jobs[0]) as by_clip, appliance.jobs.audio(jobs[1]) as by_name:
        first, second = b"".join(by_clip.chunks), b"".join(by_name.chunks)
    assert first == second
    assert len(first) > FRAME
