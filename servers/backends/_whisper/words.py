"""A text's words, and their times once they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from servers.backends._whisper.languages import UNSPACED
from servers.errors import InvalidRequest
from servers.speech import Word
from servers.text.normalize import SpokenWord, spoken_words


def words_of(text: str, language: str) -> list[SpokenWord]:
    """The words of a text: what white space separates, or each character where the script has no spaces."""
    if language not in UNSPACED:
        return spoken_words(text, language)
    return [
        SpokenWord(word=char, start=index, end=index + 1, spoken=(char,), speakable=char)
        for index, char in enumerate(text)
        if not char.isspace()
    ]


@dataclass(frozen=True)
class Aligned:
    """The words of a text with their times, where in the text they begin, and the recording's length."""

    words: tuple[Word, ...]
    begins: Sequence[int]
    duration_s: float
    unread_s: float = 0.0
    """How long something is said that no word of the text accounts for."""


def does_not_fit(words: int, duration_s: float) -> InvalidRequest:
    return InvalidRequest(
        f"the text cannot be aligned: its {words} words do not fit these {duration_s:.1f} s of audio",
        param="text",
    )
