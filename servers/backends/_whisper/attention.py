"""When the words of a text are said, by Whisper's attention: ctranslate2's forced alignment of its tokens.

The method is that of openai-whisper's `find_alignment` (timing.py): the cross attention of the heads that
follow the audio, and the cheapest monotonic path of the tokens through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servers.text.normalize import SpokenWord
from servers.text.timing import Span

FRAME_S = 0.02
"""Of Whisper's encoder."""
MOST_TOKENS = 440
"""Of a text in one window: Whisper's decoder has 448 places, and some are the prompt's."""
LEAST_PROBABILITY = 1e-4
"""What a token is counted with that Whisper did not expect at all."""
SCORE_POWER = 0.45
"""A word's score is its tokens' probability to this power, so that FITS_FROM of servers/text/alignment.py,
which was measured with pocketsphinx, means the same: the text is what is said from 0.45 on.

Measured with Whisper base on five sentences by espeak, whose words Whisper finds less likely than those that
people say: the right texts had a mean probability of 0.22…0.44, those wrong in one half 0.06…0.15, and those
wrong throughout 0.02…0.04. On five LibriVox clips they were, as scores, 0.53…0.91, 0.13…0.21 and 0.06…0.16.
Of five texts that leave out one half of what is said one was below; a right text in French, by a voice of
which Whisper recognised nothing else either, scored 0.29.
"""


@dataclass(frozen=True)
class Spelt:
    """A text in Whisper's tokens, and which characters of the text each of them is."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def spelt(text: str, tokenizer: Any) -> Spelt:
    """`tokenizer` is the tokenizers library's. The text is in it as Whisper writes one: after a space."""
    encoding = tokenizer.encode(f" {text}", add_special_tokens=False)
    offsets = [(max(0, start - 1), max(0, end - 1)) for start, end in encoding.offsets]
    return Spelt(list(encoding.ids), offsets)


@dataclass(frozen=True)
class TokenTimes:
    """When each token begins, in seconds, and at last when the text ends; how likely Whisper found each."""

    begins: NDArray[np.float64]
    probabilities: Sequence[float]


def token_times(result: Any) -> TokenTimes:
    """From a WhisperAlignmentResult: its path as (token, frame) pairs; the end of the text is a token too."""
    path = np.array(result.alignments, np.intp).reshape(-1, 2)
    first_of_each = np.flatnonzero(np.diff(path[:, 0], prepend=-1))
    return TokenTimes(path[first_of_each, 1] * FRAME_S, result.text_token_probs)


def word_spans(words: Sequence[SpokenWord], text: Spelt, times: TokenTimes) -> list[Span | None]:
    """Of each word; None for one that nobody says, and for what did not fit into the window."""
    return [_span(word, text, times) if word.spoken else None for word in words]


def _span(word: SpokenWord, text: Spelt, times: TokenTimes) -> Span | None:
    tokens = [
        index
        for index, (start, end) in enumerate(text.offsets[: len(times.begins) - 1])
        if start < word.end and end > word.start
    ]
    if not tokens:
        return None
    probabilities = np.maximum([times.probabilities[each] for each in tokens], LEAST_PROBABILITY)
    score = round(float(np.exp(SCORE_POWER * np.log(probabilities).mean())), 4)
    first, last = tokens[0], tokens[-1]
    start, end = _place(word.start, first, text, times), _place(word.end, last, text, times)
    return Span(start, max(start, end), min(1.0, score))


def _place(char: int, token: int, text: Spelt, times: TokenTimes) -> float:
    """When a character is said that may stand inside a token, as two of a Chinese word do."""
    start, end = text.offsets[token]
    share = min(1.0, max(0.0, (char - start) / max(1, end - start)))
    before, after = float(times.begins[token]), float(times.begins[token + 1])
    return before + share * (after - before)
