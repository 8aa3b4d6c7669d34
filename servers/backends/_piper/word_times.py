"""When the words of a text are said: known with the audio of the sentence that they are in."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from math import floor
from typing import Any, TypeAlias

import numpy as np

from servers.backends._piper.phonemes import Range, is_pause, phonemes_of_words
from servers.speech import Word
from servers.text.normalize import SpokenWord
from servers.text.packing import TextSpan
from servers.text.timing import Span, timed_words

BEGIN, BLANK = "^", "_"
"""What piper puts before the phonemes of a sentence, and after that and after each of them."""
Phonemize: TypeAlias = Callable[[str], Sequence[Sequence[str]]]
"""The phonemes of each sentence of a text."""
PhonemeIds: TypeAlias = Mapping[str, Sequence[int]]


class WordTimes:
    """The words of a text that is being spoken, each given once, in order, in the time of the whole audio.

    For each piece of the text `begin` says what it is, and `heard` takes in its audio, sentence by sentence.
    A model that does not tell how long its phonemes last leaves a text without words.
    """

    def __init__(self, words: Sequence[SpokenWord], phonemize: Phonemize, phoneme_ids: PhonemeIds) -> None:
        self._words, self._phonemize, self._phoneme_ids = words, phonemize, phoneme_ids
        self._starts, self._ends = [word.start for word in words], [word.end for word in words]
        self._told = True
        self._spans: list[Span | None] = [None] * len(words)
        self._expected: deque[tuple[int, Range]] = deque()
        """The words of the piece that are not heard to their end, with their phonemes' places in it."""
        self._until = 0
        """Where in the text the piece ends."""
        self._phonemes: list[Span] = []
        """Those of the piece that were heard."""
        self._given = 0
        self._end_s = 0.0
        """Of the last word given."""
        self._heard_s = 0.0

    def begin(self, piece: TextSpan, tokens: Sequence[SpokenWord], said: str) -> None:
        """The piece of the text is next, with these words and parts of words, which is `said` so."""
        sounding = [token for token in tokens if token.spoken]
        numbers = [bisect_right(self._starts, piece[0] + token.start) - 1 for token in sounding]
        alone = [self._phonemes_of(token.speakable) for token in sounding]
        ranges = phonemes_of_words(alone, self._phonemes_of(said))
        self._expected = deque(
            (number, known) for number, known in zip(numbers, ranges, strict=True) if known
        )
        self._until = piece[1]
        self._phonemes = []

    def heard(self, sentence: Any, duration_s: float) -> tuple[Word, ...]:
        """The words that are known now that this sentence of piper's was made.

        A word that goes on in the next piece is known with that.
        """
        begin_s, self._heard_s = self._heard_s, self._heard_s + duration_s
        self._told = self._told and _tells_durations(sentence)
        if not self._told:
            return ()
        places = phoneme_places(sentence.phonemes, sentence.phoneme_id_samples, self._phoneme_ids)
        seconds = [begin_s + place / sentence.sample_rate for place in places]
        self._phonemes += [Span(start, end) for start, end in pairwise(seconds)]
        while self._expected and self._expected[0][1][1] <= len(self._phonemes):
            number, (first, end) = self._expected.popleft()
            begun = self._spans[number] or self._phonemes[first]
            self._spans[number] = Span(begun.start, self._phonemes[end - 1].end)
        return self._words_before(
            self._expected[0][0] if self._expected else bisect_right(self._ends, self._until)
        )

    def rest(self) -> tuple[Word, ...]:
        """The words that were not given, now that there is no more audio."""
        return self._words_before(len(self._words)) if self._told else ()

    def _phonemes_of(self, text: str) -> list[str]:
        return list(chain.from_iterable(self._phonemize(text)))

    def _words_before(self, number: int) -> tuple[Word, ...]:
        spans = self._spans[self._given : number]
        written = [word.word for word in self._words[self._given : number]]
        end_s = floor(self._heard_s * 1e4) / 1e4  # not rounded up: no word ends after its audio
        words = timed_words(written, spans, end_s, self._end_s)
        self._given += len(words)
        self._end_s = words[-1].end if words else self._end_s
        return words


def _tells_durations(sentence: Any) -> bool:
    """Whether the model told the samples of each phoneme id, and they are those of the audio."""
    told = sentence.phoneme_id_samples
    return (
        told is not None
        and len(told) == len(sentence.phoneme_ids)
        and int(told.sum()) == len(sentence.audio_float_array)
    )


def phoneme_places(phonemes: Sequence[str], samples: Sequence[int], ids: PhonemeIds) -> list[int]:
    """The sample at which each phoneme begins, and that at which the last one ends.

    `samples` are those of each id: of the beginning, of the phonemes, of a blank after each, and of the end.
    A blank is of the phoneme after it: there the mouth moves towards it. Before a pause, and at the end, it
    is where the last sound fades. Found with pocketsphinx's alignment of six sentences of en_US-joe-medium:
    words begin 17 ms off so, on average, and 55 ms late by the ids of their first phonemes alone.
    """
    ends = [0, *np.cumsum(samples).tolist()]
    place, blank = len(ids[BEGIN]), len(ids[BLANK])
    places = []
    for phoneme in phonemes:
        places.append(ends[place + blank if is_pause(phoneme) else place])
        if phoneme in ids:
            place += blank + len(ids[phoneme])
    return [*places, ends[place + blank]]
