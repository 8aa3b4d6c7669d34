"""The mock: the contract, and a tone that can be told from everything else."""

from __future__ import annotations

import numpy as np
import pytest

from servers.backends.base import About
from servers.backends.mock import Mock
from servers.errors import UnknownVoice
from servers.speech import Chunk, ModelSpec, Utterance

from .contract import Bad, Good, SpeakingContract, items, result

TEXT = "Good morning, and welcome."


def loaded(**options: object) -> tuple[Mock, About]:
    mock = Mock()
    return mock, mock.load(ModelSpec(backend="mock", name="tone", options=options), "cpu")


@pytest.fixture
def backend() -> Mock:
    return loaded()[0]


@pytest.fixture
def about() -> About:
    return loaded()[1]


class TestMock(SpeakingContract):
    kind = Mock

    @pytest.fixture
    def good(self) -> Good:
        return {"synthesize": [Utterance(text=TEXT), Utterance(text="Hallo.", language="de", speed=2.0)]}

    @pytest.fixture
    def bad(self) -> Bad:
        return [("synthesize", Utterance(text="Hi.", voice="joe"), UnknownVoice, "voice")]


def audio(backend: Mock, **wanted: object) -> np.ndarray:
    yielded = items(backend, "synthesize", Utterance.model_validate({"text": TEXT} | wanted))
    return np.concatenate([item.samples for item in yielded if isinstance(item, Chunk)])


def test_it_is_a_sine_of_440_hz_through_all_of_its_chunks(backend):
    samples = audio(backend, text="x" * 100)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * 48_000 / len(samples) == pytest.approx(440, abs=1)
    assert np.abs(np.diff(samples)).max() < 0.25 * 2 * np.pi * 440 / 48_000 * 1.01  # no step anywhere


def test_it_lasts_as_long_as_the_text_is_long_or_as_it_is_told(backend):
    assert len(audio(backend, text="x" * 100)) == 6 * 48_000
    assert len(audio(backend, text="x" * 100, speed=2.0)) == 3 * 48_000
    assert len(audio(loaded(duration_s=0.25)[0])) == 12_000
    assert len(audio(loaded(s_per_character=0.5)[0], text="ab")) == 48_000


def test_every_word_has_its_share_of_the_time(backend):
    words = result(backend, "synthesize", Utterance(text="one three")).words
    assert [word.word for word in words] == ["one", "three"]
    assert words[0].end == words[1].start == pytest.approx(0.54 * 3 / 8)


def test_it_says_that_it_is_a_mock_before_it_is_loaded_and_after(about):
    described = Mock.describe(Mock.options()).about
    assert described == about
    assert "mock, and no speech" in about.voices[0].description
