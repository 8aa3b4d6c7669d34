"""Forced alignment: when each word of a known text is said in a recording."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.backends._espeak_ng.library import shared_library
from servers.backends._pocketsphinx.decoders import SAMPLE_RATE, DecodedWord, WordDecoder
from servers.errors import InvalidRequest
from servers.text.arpabet import arpabet
from servers.text.normalize import SpokenWord
from servers.text.timing import Span

PRONOUNCING_VOICE = "gmw/en-US"
WIDE_BEAMS = {"beam": 1e-300, "wbeam": 1e-300, "pbeam": 1e-300, "maxhmmpf": -1}
"""With the usual beams a single wrong word in the text loses the path; these cost no time worth measuring."""
HALF_SURE, PER_STEP = -80.0, 10.0
"""The fit that scores 0.5, and how much more scores 0.73.

Measured on four espeak voices and five LibriVox clips: the words of the right text fit at −35…−75 and score
0.7…0.99 on average, those of a text that was not said fit at −80…−130 and score 0.2…0.5.
"""
LIKE_SILENCE = -95.0
"""The fit of a pause that holds no speech: of 47 right texts none had one below it."""


@dataclass(frozen=True)
class Aligned:
    """The span of each word of a text, None for a silent one; `unread_s` is speech that none of them has."""

    spans: list[Span | None]
    unread_s: float


class Aligner:
    """Aligns one text at a time. Words the dictionary does not know are said as espeak-ng would say them."""

    def __init__(self) -> None:
        # All senones are computed in each frame, so that a word's fit is against the best sound of all and
        # not against the best of those the text allows: only so does a wrong text score low.
        self._decoder = WordDecoder(lm=None, bestpath=False, compallsen=True, **WIDE_BEAMS)

    def align(
        self, samples: NDArray[np.int16], mean: str, words: Sequence[SpokenWord]
    ) -> Iterator[float | Aligned]:
        """Yields the fraction done, now and then, and at last the text, aligned.

        Raises InvalidRequest where the text cannot be made to fit the recording.
        """
        pronounceable = [[each for each in word.spoken if self._can_say(each)] for word in words]
        expected = [each for spoken in pronounceable for each in spoken]
        if not expected:
            raise InvalidRequest("the text has no words that can be spoken", param="text")
        self._decoder.sphinx.set_align_text(" ".join(expected))
        yield from self._decoder.decode(samples, mean)
        decoded = self._decoder.words()
        if [word.word for word in decoded] != expected:
            raise _does_not_fit(len(words), len(samples) / SAMPLE_RATE)
        following = iter(decoded)
        spans = [_span([next(following) for _ in spoken]) for spoken in pronounceable]
        yield Aligned(spans, self._unread_s())

    def _unread_s(self) -> float:
        """What had to pass for silence and sounds like none."""
        pauses = self._decoder.pauses()
        return sum(pause.end - pause.start for pause in pauses if pause.fit < LIKE_SILENCE)

    def _can_say(self, word: str) -> bool:
        """Whether the dictionary has the word, after adding it where espeak-ng can say it."""
        if self._decoder.sphinx.lookup_word(word) is not None:
            return True
        phonemes = shared_library().phonemes(word, PRONOUNCING_VOICE)
        pronunciation = arpabet(phoneme for group in phonemes for phoneme in group)
        if pronunciation:
            self._decoder.sphinx.add_word(word, pronunciation, update=False)
        return bool(pronunciation)


def _span(decoded: list[DecodedWord]) -> Span | None:
    """Of one word of the text, which is said in so many words."""
    if not decoded:
        return None
    length = sum(word.end - word.start for word in decoded)
    fit = sum(word.fit * (word.end - word.start) for word in decoded) / length
    return Span(decoded[0].start, decoded[-1].end, score(fit))


def score(fit: float) -> float:
    """The confidence in 0…1 that a word with this fit was said."""
    return round(1 / (1 + math.exp((HALF_SURE - fit) / PER_STEP)), 4)


def _does_not_fit(words: int, duration_s: float) -> InvalidRequest:
    return InvalidRequest(
        f"the text cannot be aligned: its {words} words do not fit these {duration_s:.1f} s of audio; "
        "give the words that are said, all of them and nothing else",
        param="text",
    )
