"""A stand-in model that designs voices: a tone, as high as `instruct` is long, so that tests hear it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from servers.backends.base import About, Backend, Description, Options, SynthesisItems
from servers.speech import Chunk, ModelSpec, Speech, Utterance

SAMPLE_RATE = 24_000
ABOUT = About(languages=("en",), sample_rate=SAMPLE_RATE, designs=True)


class Designer(Backend):
    requests: ClassVar = {"synthesize": Utterance}
    honours: ClassVar = frozenset({"instruct", "language"})
    max_batch = 4

    @classmethod
    def describe(cls, options: Options) -> Description:
        return Description(ABOUT, lambda _name: False)

    def load(self, model: ModelSpec, device: str) -> About:
        return ABOUT

    def synthesize(self, utterances: Sequence[Utterance]) -> SynthesisItems:
        for index, utterance in enumerate(utterances):
            pitch_hz = 100 + 10 * len(utterance.instruct or "")
            tone = np.sin(np.arange(SAMPLE_RATE) * 2 * np.pi * pitch_hz / SAMPLE_RATE)
            yield index, Chunk((tone * 10_000).astype(np.int16), SAMPLE_RATE)
            yield index, Speech()
