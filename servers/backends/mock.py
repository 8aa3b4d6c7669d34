"""A mock: a sine of 440 Hz at 48 kHz in place of speech, for whoever tests a client without a model.

It computes nothing and needs no GPU; its chunks are there at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from servers.backends.base import About, Backend, Description, Options, SynthesisItems, one_by_one
from servers.errors import UnknownVoice
from servers.speech import Chunk, ModelSpec, Samples, Speech, Utterance, Voice, Word

SAMPLE_RATE = 48_000
FREQUENCY_HZ = 440
AMPLITUDE = 0.25
CHUNK_S = 0.1
LONGEST_S = 3_600.0
VOICE = Voice(
    name="tone",
    languages=("en",),
    description="A mock, and no speech: a sine of 440 Hz that lasts as long as the text is long.",
)
ABOUT = About(voices=(VOICE,), languages=VOICE.languages, default_voice=VOICE.name, sample_rate=SAMPLE_RATE)


class MockOptions(Options):
    """What models.yaml may say about a mock."""

    duration_s: Annotated[float, Field(gt=0, le=LONGEST_S)] | None = None
    """How long every text lasts; null is by its length."""
    s_per_character: Annotated[float, Field(gt=0, le=1)] = 0.06


class Mock(Backend):
    """It takes every text, in whatever language; each word lasts as long as its share of the letters."""

    requests = {"synthesize": Utterance}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"voice", "speed"})
    options = MockOptions
    uses_gpu = False

    _options: MockOptions

    @classmethod
    def describe(cls, options: Options) -> Description:  # noqa: ARG003 - there is one voice
        return Description(ABOUT, lambda name: name == VOICE.name)

    def load(self, model: ModelSpec, device: str) -> About:  # noqa: ARG002 - it needs none
        self._options = MockOptions.model_validate(model.options)
        return ABOUT

    def synthesize(self, utterances: Sequence[Utterance]) -> SynthesisItems:
        return one_by_one(utterances, self._spoken)

    def _spoken(self, wanted: Utterance) -> Iterator[Chunk | Speech]:
        if wanted.voice is not None and wanted.voice != VOICE.name:
            raise UnknownVoice(f"a mock has one voice, {VOICE.name}", param="voice")
        length = max(1, round(self._duration_s(wanted) * SAMPLE_RATE))
        words = _words(wanted.text, length / SAMPLE_RATE)
        step, given = round(CHUNK_S * SAMPLE_RATE), 0
        for start in range(0, length, step):
            end = min(length, start + step)
            known = [word for word in words[given:] if word.end <= end / SAMPLE_RATE]
            given += len(known)
            yield Chunk(_tone(start, end), SAMPLE_RATE, tuple(known))
        yield Speech(words=tuple(words))

    def _duration_s(self, wanted: Utterance) -> float:
        own = self._options.duration_s
        by_text = len(wanted.text) * self._options.s_per_character
        return (by_text if own is None else own) / wanted.speed


def _tone(start: int, end: int) -> Samples:
    """The samples from `start` to `end` of a sine that begins at 0, so that chunks join without a step."""
    turns = np.arange(start, end) * FREQUENCY_HZ / SAMPLE_RATE
    return (AMPLITUDE * np.sin(2 * np.pi * turns)).astype(np.float32)


def _words(text: str, duration_s: float) -> list[Word]:
    written = text.split()
    letters = np.cumsum([0, *map(len, written)])
    times = letters / max(1, letters[-1]) * duration_s
    return [
        Word(word=word, start=float(start), end=float(end))
        for word, start, end in zip(written, times, times[1:], strict=False)
    ]
