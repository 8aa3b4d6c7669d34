"""The server that speaks, over real HTTP, with Piper on tiny random voices behind the engine."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from tests.acceptance.processes import running_appliance
from tests.backends import tiny_piper

pytest.importorskip("piper", reason="needs the extra [piper], for piper-tts is not installed")

MODELS = """
backends:
  piper:
    default: voices
    models:
      voices: {cpu_threads: 1}
      missing: {checkpoint: piper-none}
  pocketsphinx: {default: en-us, models: {en-us: {}}}
"""


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("piper")
    (folder / "models.yaml").write_text(MODELS)
    tiny_piper.write_pack(folder, "en-us-tiny")
    tiny_piper.write_pack(folder, "many", speakers=("ann", "bob"))
    tiny_piper.write_pack(folder, "ru-tiny", language="ru")
    (tiny_piper.write_pack(folder, "broken") / "model.onnx").unlink()
    settings = {
        "SKYLARK_MODELS_FILE": str(folder / "models.yaml"),
        "SKYLARK_VOICEPACKS_DIR": str(folder),
        "SKYLARK_MODELS_DIR": str(folder / "models"),
        "SKYLARK_TTS__MODEL_TYPE": "piper",
    }
    with running_appliance(**settings) as appliance:
        yield appliance


def generate(appliance, *texts: str, **fields) -> list[dict]:
    reply = appliance.post("tts", "/generate_batch", json={"texts": texts, **fields})
    assert reply.status_code == 200, reply.text
    return reply.json()["results"]


def samples(result: dict) -> np.ndarray:
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(result["audio"])), dtype="int16")
    assert rate == result["sample_rate"] == 22_050
    return audio


def test_texts_are_spoken_by_the_voice_and_the_speaker_that_are_named(appliance):
    for voice in (None, "EN-US-tiny", "many", "many:bob"):
        (result,) = generate(appliance, "Good morning. How are you?", voice=voice)
        assert np.abs(samples(result)).max() > 1_000
        assert (result["finish_reason"], result["ignored"]) == ("stop", [])
        assert [word["word"] for word in result["words"]] == ["Good", "morning.", "How", "are", "you?"]


def test_a_seed_gives_the_same_file_again(appliance):
    first, again = (generate(appliance, "Good morning.", seed=5)[0]["audio"] for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"voice": "many:carl"}, "unknown_voice", "many:bob"),
        ({"language": "German"}, "invalid_request", "possible are english, russian"),
        ({"voice": "broken"}, "model_load_failed", "model.onnx: no such file"),
    ],
)
def test_what_cannot_be_spoken_with_says_what_can(appliance, fields, code, said):
    reply = appliance.post("tts", "/generate_batch", json={"texts": ["Hello."], **fields})
    error = reply.json()["error"] if "error" in reply.json() else reply.json()["results"][0]["error"]
    assert error["code"] == code
    assert said in error["message"]


def test_a_text_that_the_voice_cannot_read_fails_alone_and_says_who_can(appliance):
    good, bad = generate(appliance, "Hello.", "Привет, как дела?")
    assert len(samples(good))
    assert bad["error"]["code"] == "invalid_request"
    assert "ru-tiny can" in bad["error"]["message"]
    (spoken,) = generate(appliance, "Привет, как дела?", voice="ru-tiny")
    assert len(samples(spoken))


def test_a_voice_that_was_not_pulled_says_what_to_run(appliance):
    reply = appliance.post("tts", "/generate_batch", json={"texts": ["Hello."], "model": "missing"})
    assert "run `skylark models pull piper-none`" in reply.text
