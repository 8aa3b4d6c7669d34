"""The backend faster_whisper with the weights of Whisper base, where they were pulled."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from servers.backends._whisper.options import WhisperRequest
from servers.backends.espeak import EspeakUtterance
from servers.backends.faster_whisper import FasterWhisper
from servers.checkpoints import folder_of
from servers.speech import AlignRequest, Chunk, ModelSpec, Progress, Segment, Speech
from servers.text.score import word_error_rate
from tests.real_weights import librivox

from .conftest import PARAGRAPH, Spoken
from .contract import items, result

CHECKPOINT = "whisper-base"
VOICES = {"fr": "fr+klatt2"}
"""Of espeak's where it is not the language's own: Whisper base takes most of its French for Thai."""
TEXT = "When the train finally arrived, the platform was empty and the rain had turned to snow."
OTHER = "She bought seven apples and a loaf of bread, and gave half of them to the children by the river."
IN_LANGUAGES = {
    "de": "Guten Morgen, wir haben heute drei Dinge zu besprechen und danach gehen wir in die Stadt.",
    "fr": "Je voudrais réserver une table pour deux personnes, s'il vous plaît, ce soir à huit heures.",
    "es": "Buenos días, hoy tenemos tres cosas de que hablar y después iremos a la ciudad.",
    "it": "Buongiorno, oggi abbiamo tre cose di cui parlare e poi andremo in città.",
}


@pytest.fixture(scope="module")
def backend() -> FasterWhisper:
    if importlib.util.find_spec("faster_whisper") is None:
        pytest.skip("needs the extra [faster-whisper]")
    if not (folder_of(CHECKPOINT) / "model.bin").is_file():
        pytest.skip(f"needs the weights: skylark models pull {CHECKPOINT}")
    backend = FasterWhisper()
    backend.load(ModelSpec(backend="faster_whisper", name="base", options={"checkpoint": CHECKPOINT}), "cpu")
    return backend


@pytest.fixture(scope="module")
def speak_in(loaded_espeak, tmp_path_factory) -> Callable[[str, str], Spoken]:
    """Says a text in a language, into a file."""

    def into_file(text: str, language: str) -> Spoken:
        said = [
            item
            for _, item in loaded_espeak[0].synthesize(
                [EspeakUtterance(text=text, language=language, voice=VOICES.get(language))]
            )
        ]
        assert isinstance(said[-1], Speech)
        chunks = [item for item in said if isinstance(item, Chunk)]
        samples = np.concatenate([chunk.samples for chunk in chunks])
        path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
        soundfile.write(path, samples, chunks[0].sample_rate)
        return Spoken(path, said[-1].words, len(samples) / chunks[0].sample_rate)

    return into_file


def starts_off_s(found, said) -> np.ndarray:
    assert [word.word for word in found.words] == [word.word for word in said.words]
    return np.abs([one.start - other.start for one, other in zip(found.words, said.words, strict=True)])


def test_what_is_said_is_recognised_and_timed(backend, speak):
    said = speak(TEXT)
    heard = result(backend, "transcribe", WhisperRequest(audio_path=said.path))
    assert word_error_rate(TEXT, heard.text) < 0.2
    assert [word.word for word in heard.words] == heard.text.split()
    aligned = result(backend, "align", AlignRequest(audio_path=said.path, text=TEXT))
    assert starts_off_s(aligned, said).mean() < 0.12
    assert aligned.warning is None


def test_a_text_that_is_not_said_is_warned_of(backend, speak):
    wrong = result(backend, "align", AlignRequest(audio_path=speak(TEXT).path, text=OTHER))
    assert wrong.score < 0.35
    assert wrong.warning


@pytest.mark.parametrize("language", IN_LANGUAGES)
def test_the_language_is_detected_and_a_text_in_it_is_timed(backend, speak_in, language):
    text = IN_LANGUAGES[language]
    said = speak_in(text, language)
    heard = result(backend, "transcribe", WhisperRequest(audio_path=said.path, language="auto"))
    assert heard.language == language
    aligned = result(backend, "align", AlignRequest(audio_path=said.path, text=text, language=language))
    assert starts_off_s(aligned, said).mean() < 0.12


def test_a_long_recording_is_aligned_in_windows(backend, speak, tmp_path: Path):
    """Three times the paragraph with pauses between: more than two of Whisper's windows."""
    said = speak(PARAGRAPH)
    samples, rate = soundfile.read(said.path, dtype="int16")
    pause = np.zeros(3 * rate, np.int16)
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([samples, pause, samples, pause, samples]), rate)
    text = " ".join([PARAGRAPH] * 3)
    aligned = result(backend, "align", AlignRequest(audio_path=path, text=text))
    period_s = said.duration_s + 3.0
    expected = [word.start + time * period_s for time in range(3) for word in said.words]
    assert [word.word for word in aligned.words] == text.split()
    off = np.abs([word.start - start for word, start in zip(aligned.words, expected, strict=True)])
    assert np.median(off) < 0.15, json.dumps(off.round(2).tolist())
    assert np.quantile(off, 0.95) < 1.5


def test_the_segments_of_human_speech_are_told_while_the_rest_of_it_is_heard(backend, tmp_path):
    """By one VAD chunk of up to 30 s after the other."""
    read = [soundfile.read(clip.audio) for clip in librivox()]
    path = tmp_path / "read.wav"
    soundfile.write(path, np.concatenate([samples for samples, _ in read] * 2), read[0][1])
    yielded = items(backend, "transcribe", WhisperRequest(audio_path=path, batch_size=1))
    transcript = yielded[-1]
    assert [item for item in yielded if isinstance(item, Segment)] == list(transcript.segments)
    assert all(segment.words for segment in transcript.segments)
    heard = [isinstance(item, Segment) for item in yielded]
    far = next(item.fraction for item in yielded[heard.index(True) :] if isinstance(item, Progress))
    assert 0 < far < 0.9, "the first are told long before the last are heard"
