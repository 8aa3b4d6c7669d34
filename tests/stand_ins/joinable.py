"""A stand-in for a model whose running batch others may join: a step for all of them at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from servers.backends.base import About, Arrivals, Backend, Options, SynthesisItems
from servers.errors import UnknownVoice
from servers.speech import Chunk, ModelSpec, Speech, Utterance, Word

SAMPLE_RATE = 16_000
CHUNK = 160


class JoinableOptions(Options):
    step_s: float = 0.01
    max_batch: int = 4


class JoinableUtterance(Utterance):
    chunks: int = 5
    level: int = 1
    """The value of every sample."""
    raise_after: int | None = None


class Joinable(Backend):
    """Each request has a chunk in each step, and a word with it; the first word says how many there were."""

    requests: ClassVar = {"synthesize": JoinableUtterance}
    honours: ClassVar = frozenset({"voice"})
    options = JoinableOptions
    takes_arrivals: ClassVar = frozenset({"synthesize"})

    @classmethod
    def batch_limit(cls, options: JoinableOptions) -> int:
        return options.max_batch

    def load(self, model: ModelSpec, device: str) -> About:
        self._options = JoinableOptions(**model.options)
        return About(sample_rate=SAMPLE_RATE, device=device)

    def synthesize(
        self, utterances: Sequence[JoinableUtterance], arrivals: Arrivals | None = None
    ) -> SynthesisItems:
        rows = dict(enumerate(utterances))
        made = dict.fromkeys(rows, 0)
        while True:
            for utterance in arrivals.joined() if arrivals else ():
                rows[len(made)], made[len(made)] = utterance, 0
            for gone in arrivals.cancelled() if arrivals else ():
                rows.pop(gone, None)
            if not rows:
                return
            time.sleep(self._options.step_s)
            together = len(rows)
            for index, utterance in list(rows.items()):
                if utterance.voice is not None:
                    yield index, UnknownVoice(f"no voice {utterance.voice!r}; there is none", param="voice")
                    del rows[index]
                    continue
                if utterance.raise_after == made[index]:
                    raise RuntimeError("asked to raise")
                word = Word(word=str(together), start=made[index] * 0.01, end=(made[index] + 1) * 0.01)
                yield index, Chunk(np.full(CHUNK, utterance.level, np.int16), SAMPLE_RATE, (word,))
                made[index] += 1
                if made[index] >= utterance.chunks:
                    words = tuple(
                        Word(word=str(i), start=i * 0.01, end=(i + 1) * 0.01) for i in range(utterance.chunks)
                    )
                    yield index, Speech(words=words)
                    del rows[index]
