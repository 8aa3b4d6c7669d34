"""What is heard with the embedded models, over real HTTP: the same whatever came before, and judged."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from servers.settings import ROOT
from tests.acceptance.processes import running_appliance
from tests.audio.recorded import RECORDINGS, encoded

TEXT = "Good morning, and welcome. We have three things to talk about."
OTHER = "Please bring two tickets, a map of the city, and something warm to drink."


@pytest.fixture(scope="module")
def appliance():
    with running_appliance(SKYLARK_MODELS_FILE=str(ROOT / "config" / "models.example.yaml")) as appliance:
        yield appliance


@pytest.fixture(scope="module")
def speech(appliance) -> np.ndarray:
    reply = appliance.post("tts", "/generate_batch", json={"texts": [TEXT]})
    assert reply.status_code == 200, reply.text
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(reply.json()["results"][0]["audio"])))
    return samples


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 22050, format="WAV", subtype="FLOAT")
    return file.getvalue()


def listened(appliance, path: str, audio: bytes, **fields) -> dict:
    reply = appliance.post("whisperx", path, files={"file": audio}, data=fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_recording_is_heard_the_same_after_another_one(appliance, speech):
    noise = np.random.default_rng(1).standard_normal(5 * 22050) * 0.1
    first = listened(appliance, "/transcribe", wav(speech))
    listened(appliance, "/transcribe", wav(noise))
    assert listened(appliance, "/transcribe", wav(speech)) == first


def test_quiet_speech_in_antiphase_is_heard(appliance, speech):
    stereo = np.stack([speech, -speech], axis=1) * 10 ** (-30 / 20)
    heard = listened(appliance, "/transcribe", wav(stereo))["text"]
    assert "three things to talk about" in heard


@pytest.mark.parametrize("name", ["m4a", "webm", "ogg_opus", "mp3", "telephone", "amr"])
def test_what_people_record_is_heard(appliance, speech, name):
    pytest.importorskip("av", reason="needs the extra [av]")
    recording = encoded(speech.astype(np.float32), 22050, RECORDINGS[name], seekable=name != "webm")
    found = listened(appliance, "/align", recording, text=TEXT)
    assert [word["word"] for word in found["words"]] == TEXT.split()
    assert found["duration_s"] == pytest.approx(len(speech) / 22050, abs=0.2)
    assert found["warning"] is None


def test_a_text_that_was_not_said_is_warned_of_in_every_way_in(appliance, speech, tmp_path):
    good, bad = (listened(appliance, "/align", wav(speech), text=text) for text in (TEXT, OTHER))
    assert (good["score"] > 0.7, good["warning"]) == (True, None)
    assert bad["score"] < 0.3
    assert "does not fit" in bad["warning"]
    audio = base64.b64encode(wav(speech)).decode()
    items = [{"audio": audio, "text": text} for text in (TEXT, OTHER)]
    batch = appliance.post("whisperx", "/align_batch", json={"items": items}).json()["results"]
    assert batch == [good, bad]
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(speech))
    payload = {"task": "align", "audio_path": str(path), "text": OTHER}
    (job_id,) = appliance.jobs.submit([{"model_type": "pocketsphinx", "payload": payload}])
    result = appliance.jobs.wait(job_id, timeout_s=60)["result"]
    assert (result["score"], result["warning"]) == (bad["score"], bad["warning"])
