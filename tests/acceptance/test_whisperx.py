"""The server that listens, over real HTTP, with whisperx on tiny random checkpoints behind the engine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.acceptance.processes import running_appliance
from tests.backends import tiny_whisperx

pytest.importorskip("ctranslate2", reason="needs the extra [whisperx]")

TEXT = "Good morning, Margaret — the train leaves at 9."
PATIENCE_S = 900.0
"""The libraries take 10 s to import on a quiet machine, and minutes on a busy one."""
MODELS = """
backends:
  espeak: {{default: espeak-ng, models: {{espeak-ng: {{}}}}}}
  whisperx:
    default: missing
    models:
      missing: {{checkpoint: whisper-none}}
      tiny:
        {{checkpoint: {whisper}, align: {{en: {english}}}, max_new_tokens: 12, beam_size: 1, cpu_threads: 1}}
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    whisper, english = tiny_whisperx.whisper(folder / "whisper"), tiny_whisperx.wav2vec2(folder / "en")
    file = folder / "models.yaml"
    file.write_text(MODELS.format(whisper=whisper, english=english))
    return file


@pytest.fixture(scope="module")
def appliance(models):
    settings = {
        "SKYLARK_MODELS_FILE": str(models),
        "SKYLARK_WHISPERX__MODEL_TYPE": "whisperx",
        "SKYLARK_WHISPERX__MODEL": "tiny",
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


def test_the_model_of_the_settings_hears_and_aligns_its_own_words(appliance, recording):
    heard = listen(appliance, "/transcribe", recording)
    assert heard.status_code == 200, heard.text
    found = heard.json()
    assert found["language"] == "en"
    assert found["text"] == " ".join(segment["text"] for segment in found["segments"])
    assert all(0 <= word["start"] <= word["end"] <= found["duration_s"] + 0.02 for word in found["words"])
    assert found["segments"][0]["avg_logprob"] < 0


def test_a_text_is_aligned_word_for_word(appliance, recording):
    found = listen(appliance, "/align", recording, text=TEXT).json()
    assert [word["word"] for word in found["words"]] == TEXT.split()
    assert [word["word"] for word in found["words"] if word["interpolated"]] == ["—"]


def test_the_recordings_of_a_batch_are_each_answered(appliance, recording):
    audio = base64.b64encode(recording).decode()
    items = [{"audio": audio}, {"audio": audio, "language": "xx"}, {"audio": audio, "words": False}]
    reply = appliance.post("whisperx", "/transcribe_batch", json={"items": items}, timeout=PATIENCE_S)
    first, second, third = reply.json()["results"]
    assert second["error"]["param"] == "items.1.language"
    assert "en" in second["error"]["message"]
    assert first["words"]
    assert (third["words"], third["language"]) == ([], "en")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"diarize": "true"}, "diarize"),
        ({"language": "tlh"}, "language"),
        ({"min_speakers": "2"}, "min_speakers"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_its_field(appliance, recording, fields, param):
    reply = listen(appliance, "/transcribe", recording, **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param)


def test_a_checkpoint_that_is_not_there_says_the_command_and_the_server_goes_on(appliance, recording):
    reply = listen(appliance, "/transcribe", recording, model="whisperx/missing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_load_failed")
    assert "skylark models pull whisper-none" in reply.json()["error"]["message"]
    assert listen(appliance, "/transcribe", recording).status_code == 200


def test_nothing_that_was_heard_or_read_is_in_a_log(appliance, recording):
    heard = listen(appliance, "/transcribe", recording).json()["text"]
    listen(appliance, "/align", recording, text="marmalade")
    logs = "".join(file.read_text() for file in (appliance.folder / "logs").iterdir())
    assert "marmalade" not in logs
    assert json.dumps(heard) not in logs
    assert heard not in logs
