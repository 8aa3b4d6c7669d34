"""The server that listens, over real HTTP, with faster_whisper on a tiny random checkpoint."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.acceptance.processes import running_appliance
from tests.backends import tiny_whisperx

pytest.importorskip("faster_whisper", reason="needs the extra [faster-whisper]")
pytest.importorskip("transformers", reason="makes a tiny checkpoint with transformers")

TEXT = "Good morning, Margaret — the train leaves at 9."
PATIENCE_S = 300.0
MODELS = """
backends:
  espeak: {{default: espeak-ng, models: {{espeak-ng: {{}}}}}}
  faster_whisper:
    default: tiny
    models:
      missing: {{checkpoint: whisper-none}}
      tiny: {{checkpoint: {whisper}, max_new_tokens: 12, beam_size: 1, cpu_threads: 1}}
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    file = folder / "models.yaml"
    file.write_text(MODELS.format(whisper=tiny_whisperx.whisper(folder / "whisper")))
    return file


@pytest.fixture(scope="module")
def appliance(models):
    settings = {
        "SKYLARK_MODELS_FILE": str(models),
        "SKYLARK_WHISPERX__MODEL_TYPE": "faster_whisper",
        "SKYLARK_ENGINE__LOAD_TIMEOUT_S": str(PATIENCE_S),
        "SKYLARK_ENGINE__DEVICE": "cpu",
    }
    with running_appliance(**settings) as appliance:
        yield appliance


@pytest.fixture(scope="module")
def recording(appliance) -> bytes:
    reply = appliance.post("tts", "/generate_batch", json={"texts": [TEXT]})
    assert reply.status_code == 200, reply.text
    return base64.b64decode(reply.json()["results"][0]["audio"])


def listen(appliance, path: str, audio: bytes, **fields):
    return appliance.post("whisperx", path, files={"file": audio}, data=fields, timeout=PATIENCE_S)


def test_words_are_heard_with_their_times(appliance, recording):
    heard = listen(appliance, "/transcribe", recording)
    assert heard.status_code == 200, heard.text
    found = heard.json()
    assert [word["word"] for word in found["words"]] == found["text"].split()
    assert all(0 <= word["start"] <= word["end"] <= found["duration_s"] + 0.02 for word in found["words"])


@pytest.mark.parametrize("language", ["en", "de", "French"])
def test_a_text_is_aligned_word_for_word_in_any_language(appliance, recording, language):
    reply = listen(appliance, "/align", recording, text=TEXT, language=language)
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert [word["word"] for word in found["words"]] == TEXT.split()
    assert [word["word"] for word in found["words"] if word["interpolated"]] == ["—"]
    assert found["score"] is not None


@pytest.mark.parametrize(
    ("fields", "param"), [({"diarize": "true"}, "diarize"), ({"language": "tlh"}, "language")]
)
def test_what_the_model_cannot_do_is_refused_by_its_field(appliance, recording, fields, param):
    reply = listen(appliance, "/transcribe", recording, **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param)


def test_a_checkpoint_that_is_not_there_says_the_command(appliance, recording):
    reply = listen(appliance, "/transcribe", recording, model="faster_whisper/missing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_load_failed")
    assert "skylark models pull whisper-none" in reply.json()["error"]["message"]
