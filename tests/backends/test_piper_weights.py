"""The backend piper with a real voice, where it was pulled: when its words are said."""

from __future__ import annotations

import importlib.util
from statistics import mean, median

import numpy as np
import pytest
import soundfile

from servers.backends.piper import Piper, PiperUtterance
from servers.speech import AlignRequest, Chunk, ModelSpec, Speech
from tests.real_weights import need

from .conftest import PARAGRAPH
from .contract import items, result

VOICE = "piper-en-us-joe"
AT_SPEEDS = {
    PARAGRAPH: 1.0,
    "He said that it was a bit of a problem for the other one at the moment. I'm going to be in the house, "
    "and you could have told me that he'd have to go in to it.": 1.5,
    "Good morning, and welcome to the meeting; we have three things to talk about today.": 0.7,
}


@pytest.fixture(scope="module")
def backend() -> Piper:
    if importlib.util.find_spec("piper") is None:
        pytest.skip("needs the extra [piper]")
    need(VOICE)
    backend = Piper()
    backend.load(ModelSpec(backend="piper", name="joe", options={"checkpoint": VOICE}), "cpu")
    return backend


def test_words_begin_and_end_where_an_aligner_hears_them(backend, loaded_pocketsphinx, tmp_path):
    starts, ends = [], []
    for text, speed in AT_SPEEDS.items():
        utterance = PiperUtterance(text=text, speed=speed, seed=1, voice=VOICE)
        *chunks, speech = items(backend, "synthesize", utterance)
        assert isinstance(speech, Speech)
        assert [word.word for word in speech.words] == text.split()
        samples = np.concatenate([chunk.samples for chunk in chunks if isinstance(chunk, Chunk)])
        soundfile.write(tmp_path / "said.wav", samples, chunks[0].sample_rate)
        heard = result(
            loaded_pocketsphinx[0], "align", AlignRequest(audio_path=tmp_path / "said.wav", text=text)
        )
        for told, found in zip(speech.words, heard.words, strict=True):
            assert told.interpolated is found.interpolated
            if found.score is not None:
                starts.append(abs(told.start - found.start))
                ends.append(abs(told.end - found.end))
    assert len(starts) > 100
    assert mean(starts) < 0.04
    assert median(starts) < 0.025
    assert max(starts) < 0.3
    assert mean(ends) < 0.04
