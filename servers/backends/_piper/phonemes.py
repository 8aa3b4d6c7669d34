"""Which of a sentence's phonemes are whose: they come without a mark of the words that they are of.

espeak-ng speaks some words in one breath ("of the" is ʌvðə), others as several, and each as its neighbours
have it. So the phonemes of the words alone are laid beside those of the sentence, as closely as they fit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SPACE = " "
STRESS = frozenset("ˈˌ")
"""What is written before the phoneme that it belongs to; other marks come after it."""
GAP, SPACE_GAP, OTHER, NEVER = 2, 1, 2, 9
"""What it costs that a phoneme, or a space, is only on one side; that a phoneme is another; and that it
stands beside a space: more than the two gaps that do without.
"""

Range: TypeAlias = tuple[int, int]
"""Where a word's phonemes begin, and where they end."""


@dataclass(frozen=True)
class Sound:
    """A phoneme with its marks, or a space: `start` and `end` are places in the list that it is of."""

    base: str
    start: int
    end: int


def sounds(phonemes: Sequence[str]) -> list[Sound]:
    """The phonemes with their marks, and the spaces; without the punctuation, which is pauses."""
    found: list[Sound] = []
    start: int | None = None
    """Where the stress of the next one is."""
    for place, phoneme in enumerate(phonemes):
        if phoneme in STRESS:
            start = place if start is None else start
        elif phoneme == SPACE or _is_sound(phoneme):
            found.append(Sound(phoneme, place if start is None else start, place + 1))
            start = None
        elif found and found[-1].base != SPACE and not is_pause(phoneme):
            found[-1] = Sound(found[-1].base, found[-1].start, place + 1)
    return found


def phonemes_of_words(alone: Sequence[Sequence[str]], said: Sequence[str]) -> list[Range | None]:
    """For each word, from its phonemes when it is `alone`, where it is in what is `said`.

    The ranges are in order and apart; None is a word of which nothing is heard. A space is of the word after
    it, as the sound is that it makes, except in a pause.
    """
    written: list[str] = []
    words: list[int] = []
    for number, phonemes in enumerate(alone):
        bases = [sound.base for sound in sounds(phonemes)]
        written += [*bases, SPACE]
        words += [number] * (len(bases) + 1)
    heard = sounds(said)
    if not words or not heard:
        return [None] * len(alone)
    ranges: list[Range | None] = [None] * len(alone)
    end = 0
    for sound, place in zip(heard, _beside(written, [sound.base for sound in heard]), strict=True):
        if sound.base == SPACE:
            continue
        known, before = ranges[words[place]], list(said[end : sound.start])
        start = end if end and before == [SPACE] else sound.start
        ranges[words[place]] = (known[0] if known else start, sound.end)
        end = sound.end
    return ranges


def _is_sound(phoneme: str) -> bool:
    kind = unicodedata.category(phoneme[0])
    return kind[0] == "L" and kind != "Lm"


def is_pause(phoneme: str) -> bool:
    """Punctuation stands among the phonemes too."""
    return unicodedata.category(phoneme[0])[0] == "P"


def _beside(written: Sequence[str], heard: Sequence[str]) -> list[int]:
    """For each one that is heard, the place of the written one beside it.

    Beside a gap it is the one before, and after a space the next: what is heard more belongs to that word.
    """
    costs = _costs(written, heard)
    row, column = len(written), len(heard)
    places = [0] * len(heard)
    while column:
        if row and costs[row, column] == costs[row - 1, column - 1] + _step(
            written[row - 1], heard[column - 1]
        ):
            row, column = row - 1, column - 1
            places[column] = row
        elif row and costs[row, column] == costs[row - 1, column] + _gap(written[row - 1]):
            row -= 1
        else:
            column -= 1
            after_space = row == 0 or written[row - 1] == SPACE
            places[column] = min(row, len(written) - 1) if after_space else row - 1
    return places


def _costs(written: Sequence[str], heard: Sequence[str]) -> NDArray[np.int32]:
    """The least cost of every two beginnings, shape (written + 1, heard + 1).

    The edit distance of Wagner and Fischer, a row at a time: a row's gaps are a running minimum.
    """
    kinds = sorted({*written, *heard})
    steps = {each: np.array([_step(each, other) for other in kinds], np.int32) for each in set(written)}
    columns = np.array([kinds.index(each) for each in heard])
    gaps = np.concatenate([[0], np.cumsum([_gap(each) for each in heard])]).astype(np.int32)
    costs = np.empty((len(written) + 1, len(heard) + 1), np.int32)
    costs[0] = gaps
    for row, each in enumerate(written):
        best = costs[row] + _gap(each)
        best[1:] = np.minimum(best[1:], costs[row, :-1] + steps[each][columns])
        costs[row + 1] = np.minimum.accumulate(best - gaps) + gaps
    return costs


def _step(one: str, other: str) -> int:
    if one == other:
        return 0
    return NEVER if SPACE in (one, other) else OTHER


def _gap(each: str) -> int:
    return SPACE_GAP if each == SPACE else GAP
