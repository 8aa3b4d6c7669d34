"""The default with its real weights, as a newcomer has it: a neural voice speaks, and Whisper hears it."""

from __future__ import annotations

import base64
import io
import sqlite3
from contextlib import closing

import numpy as np
import pytest
import soundfile

from servers.catalog import EXAMPLE
from servers.text.score import word_error_rate
from tests import real_weights
from tests.acceptance.processes import Appliance, running_appliance

pytest.importorskip("piper", reason="needs the extra [piper]")
pytest.importorskip("faster_whisper", reason="needs the extra [faster-whisper]")

TEXTS = (
    "Good morning, and welcome to the evening news.",
    "The old lighthouse at the end of the bay has been dark for thirty years.",
    "She asked for two cups of tea, a slice of bread and nothing else.",
    "When the train finally arrived, the platform was empty and the rain had turned to snow.",
    "Please turn left after the bridge, and follow the river to the mill.",
    "Nobody knows who wrote the letter, but everybody in the village has read it.",
    "He closed the book, put out the lamp and listened to the wind.",
    "Our meeting begins at half past nine on Thursday the 12th of March.",
    "The children ran down the hill as fast as their legs could carry them.",
    "If you have any questions, ask them now, before it is too late.",
)
PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def appliance():
    real_weights.need(*real_weights.CHECKPOINTS)
    settings = {
        "SKYLARK_MODELS_FILE": str(EXAMPLE),
        "SKYLARK_ENGINE__DEVICE": "cpu",
        "SKYLARK_TTS__MODEL_TYPE": "piper,espeak",
        "SKYLARK_WHISPERX__MODEL_TYPE": "faster_whisper,pocketsphinx",
    }
    with running_appliance(**settings) as appliance:
        yield appliance


def speak(appliance: Appliance, *texts: str, **fields) -> list[dict]:
    body = {"texts": texts, **fields}
    reply = appliance.post("tts", "/generate_batch", json=body, timeout=PATIENCE_S)
    assert reply.status_code == 200, reply.text
    return reply.json()["results"]


def audio_of(result: dict) -> bytes:
    return base64.b64decode(result["audio"])


def listen(appliance: Appliance, path: str, audio: bytes, **fields) -> dict:
    reply = appliance.post("whisperx", path, files={"file": audio}, data=fields, timeout=PATIENCE_S)
    assert reply.status_code == 200, reply.text
    return reply.json()


def model_of_last_job(appliance: Appliance) -> str:
    """As the queue has it: no reply says who aligned."""
    with closing(sqlite3.connect(appliance.folder / "jobs.sqlite3")) as queue:
        (newest,) = queue.execute("SELECT model_type FROM jobs ORDER BY seq DESC LIMIT 1").fetchone()
    return newest


@pytest.fixture(scope="module")
def spoken(appliance) -> list[bytes]:
    return [audio_of(result) for result in speak(appliance, *TEXTS, language="en")]


def test_health_says_which_voice_and_which_recogniser_are_at_work(appliance):
    tts, whisperx = (
        appliance.http.get(appliance.url(door, "/health")).json() for door in ("tts", "whisperx")
    )
    assert (tts["backend"], tts["voice"]) == ("piper", "piper-en-us-joe")
    assert whisperx["backend"] == "faster_whisper"
    assert tts["models"] == ["piper/voices", "espeak/espeak-ng"]
    assert tts["passed_over"] == whisperx["passed_over"] == []


def test_what_is_spoken_is_heard_again(appliance, spoken):
    heard = [listen(appliance, "/transcribe", audio, language="en")["text"] for audio in spoken]
    assert model_of_last_job(appliance) == "faster_whisper"
    assert word_error_rate(" ".join(TEXTS), " ".join(heard)) <= 0.08, heard


def test_the_words_of_a_transcript_are_said_when_the_alignment_has_them(appliance, spoken):
    off = []
    for text, audio in zip(TEXTS, spoken, strict=True):
        aligned = listen(appliance, "/align", audio, text=text, language="en")
        assert aligned["warning"] is None, text
        heard = listen(appliance, "/transcribe", audio, language="en")["words"]
        if len(heard) == len(aligned["words"]):
            off += [
                abs(one["start"] - other["start"]) for one, other in zip(heard, aligned["words"], strict=True)
            ]
    assert len(off) > 60
    assert np.median(off) < 0.1


def test_human_speech_is_heard(appliance):
    clips = real_weights.librivox()
    heard = [listen(appliance, "/transcribe", clip.audio.read_bytes())["text"] for clip in clips]
    said = " ".join(clip.text for clip in clips)
    assert word_error_rate(said, " ".join(heard)) <= 0.12, heard


def test_a_language_that_the_neural_voice_does_not_speak_is_espeaks(appliance):
    (german,) = speak(appliance, "Guten Morgen, wir haben heute viel zu besprechen.", language="de")
    assert model_of_last_job(appliance) == "espeak"
    samples, _ = soundfile.read(io.BytesIO(audio_of(german)))
    assert np.abs(samples).max() > 0.1
    heard = listen(appliance, "/transcribe", audio_of(german), language="auto")
    assert heard["language"] == "de"


def test_a_voice_is_spoken_by_the_model_that_has_it(appliance):
    for voice, backend in (("piper-en-us-joe", "piper"), ("en-GB+f3", "espeak"), ("German", "espeak")):
        speak(appliance, "Good morning.", voice=voice, language="en")
        assert model_of_last_job(appliance) == backend


def test_a_voice_that_nobody_has_is_refused_with_some_that_exist(appliance):
    reply = appliance.post("tts", "/generate_batch", json={"texts": ["Hello."], "voice": "piper-en-us-jo"})
    error = reply.json()["error"]
    assert (error["code"], error["param"]) == ("unknown_voice", "voice")
    assert "piper-en-us-joe" in error["message"]


@pytest.mark.parametrize(
    ("language", "backend"), [("en", "pocketsphinx"), ("de", "faster_whisper"), (None, "faster_whisper")]
)
def test_english_that_is_named_is_aligned_by_pocketsphinx(appliance, spoken, language, backend):
    fields = {} if language is None else {"language": language}
    aligned = listen(appliance, "/align", spoken[0], text=TEXTS[0], **fields)
    assert model_of_last_job(appliance) == backend
    assert [word["word"] for word in aligned["words"]] == TEXTS[0].split()


def test_recordings_of_one_request_may_go_to_several_models(appliance, spoken):
    items = [
        {"audio": base64.b64encode(spoken[0]).decode(), "text": TEXTS[0], "language": language}
        for language in ("en", "de")
    ]
    reply = appliance.post("whisperx", "/align_batch", json={"items": items}, timeout=PATIENCE_S)
    first, second = reply.json()["results"]
    assert (first["language"], second["language"]) == ("en", "de")
