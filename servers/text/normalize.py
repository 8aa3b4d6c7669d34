"""A text's words, as written and as spoken: "$5" is one word of the text and is spoken "five dollars"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from servers.errors import InvalidRequest
from servers.text.numbers import FOREIGN_NUMBER, NUMBER, base_language, english, foreign

TOKEN = re.compile(r"\S+")
PAUSES = frozenset(".,;:!?…—–-()\"'“”‘’«»。、！？，：；¿¡")
"""Punctuation that a synthesiser turns into pauses and melody; the rest it would read aloud."""

SYMBOLS = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "%": "percent",
    "°": "degrees",
    "×": "times",
    "÷": "divided by",
    "$": "dollars",
    "€": "euros",
    "£": "pounds",
    "¥": "yen",
    "½": "one half",
    "¼": "one quarter",
    "¾": "three quarters",
}
"""Symbols that are said; languages other than English keep them as written: synthesisers know them."""
ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "vs": "versus", "etc": "et cetera"}


@dataclass(frozen=True)
class SpokenWord:
    """One word of the text: what stands between white space. `word == text[start:end]`.

    `spoken` are the lower-case words that are said for it, none for a token such as a lone dash.
    `speakable` is the token for a synthesiser: numbers as words, capitals and pauses as written.
    """

    word: str
    start: int
    end: int
    spoken: tuple[str, ...]
    speakable: str


def spoken_words(text: str, language: str = "en") -> list[SpokenWord]:
    """Every word of the text in order; numbers stay as written in a language that num2words does not know."""
    return [_spoken_word(token, language) for token in TOKEN.finditer(text)]


def words_to_speak(text: str, language: str = "en") -> list[SpokenWord]:
    """`spoken_words`, where something can be spoken. Raises InvalidRequest where nothing can."""
    words = spoken_words(text, language)
    if not any(word.spoken for word in words):
        raise InvalidRequest("the text has no words or numbers that can be spoken", param="text")
    return words


def speakable(text: str, language: str = "en") -> str:
    """The text with its numbers and symbols as words, one space between the words, all else as written."""
    return " ".join(word.speakable for word in spoken_words(text, language) if word.speakable)


def _spoken_word(token: re.Match[str], language: str) -> SpokenWord:
    written = token.group()
    pieces = list(_pieces(written, language))
    return SpokenWord(
        word=written,
        start=token.start(),
        end=token.end(),
        spoken=tuple(word for piece in pieces for word in _lowered(piece, language)),
        speakable=_as_speakable(written, pieces, language),
    )


def _pieces(token: str, language: str) -> Iterator[str]:
    """The token cut into runs of letters, and numbers and symbols already in words."""
    is_english = base_language(language) == "en"
    after = 0
    for number in (NUMBER if is_english else FOREIGN_NUMBER).finditer(token):
        yield from _words(token[after : number.start()], is_english)
        yield english(number) if is_english else foreign(number.group(), language)
        after = number.end()
    yield from _words(token[after:], is_english)


def _words(written: str, is_english: bool) -> Iterator[str]:
    for run in "".join(_separated(char, is_english) for char in written).split():
        word = run.strip("'")
        if any(char in SYMBOLS or unicodedata.category(char)[0] == "L" for char in word):
            yield word


def _separated(char: str, is_english: bool) -> str:
    """A letter as it is, a symbol that is said as a word of its own, anything else as a space."""
    if char in "'’":
        return "'"
    if char in SYMBOLS:
        return f" {SYMBOLS[char] if is_english else char} "
    return char if unicodedata.category(char) in LETTERS else " "


LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Cf"})
"""Letters, and the marks and joiners that many scripts write inside a word."""


def _lowered(piece: str, language: str) -> list[str]:
    return (_in_full(piece, language) or piece.lower()).replace("-", " ").split()


def _in_full(word: str, language: str) -> str | None:
    return ABBREVIATIONS.get(word.lower()) if base_language(language) == "en" else None


def _as_speakable(written: str, pieces: list[str], language: str) -> str:
    """The pieces between the token's own pauses; a token of nothing but letters and pauses as it is.

    An abbreviation is said in full and loses its full stop, at which a synthesiser would end the sentence.
    """
    if written.endswith(".") and (full := _in_full(written[:-1], language)):
        return full
    if all(char in PAUSES or unicodedata.category(char) in LETTERS for char in written):
        return written
    body = " ".join(pieces)
    lead = "".join(char for char in _before_letters(written) if char in PAUSES and (char != "-" or not body))
    trail = "".join(char for char in reversed(_before_letters(written[::-1])) if char in PAUSES)
    return lead + body + trail if body else lead


def _before_letters(written: str) -> str:
    for place, char in enumerate(written):
        if unicodedata.category(char)[0] in "LNS":
            return written[:place]
    return written
