"""The letters of an alignment model, and a text's words written in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.text.normalize import SYMBOLS, SpokenWord

SEPARATOR = "|"
BLANKS = ("[pad]", "<pad>")


@dataclass(frozen=True)
class TokenizedText:
    """A text in tokens; `positions` are those of each word's tokens, and `known` says of each token whether
    the alphabet has it: the others are wildcards."""

    tokens: NDArray[np.intp]
    known: Sequence[bool]
    positions: Sequence[Sequence[int]]

    def is_known(self, word: int) -> bool:
        """Whether the alphabet has anything of this word."""
        return any(self.known[position] for position in self.positions[word])


class Alphabet:
    """`letters` are a model's tokens by lower-case letter."""

    def __init__(self, letters: Mapping[str, int], size: int) -> None:
        self._letters, self._wildcard = letters, size
        self.blank = next((letters[blank] for blank in BLANKS if blank in letters), 0)

    def tokenize(self, words: Sequence[SpokenWord]) -> TokenizedText:
        """The words, a separator between them where the model has one."""
        tokens: list[int] = []
        positions: list[range] = []
        for word in words:
            spelt = self._spelt(word)
            if spelt and tokens:
                tokens += self._separator()
            positions.append(range(len(tokens), len(tokens) + len(spelt)))
            tokens += spelt
        known = [token != self._wildcard for token in tokens]
        return TokenizedText(np.array(tokens, np.intp), known, positions)

    def _spelt(self, word: SpokenWord) -> list[int]:
        """As it is written; as it is spoken where only that has all its letters, as "45" does; else as it is
        written, with wildcards."""
        written = list(self._tokens(word.word))
        if self._wildcard not in written:
            return written
        spoken = self._sentence(word.spoken)
        return spoken if spoken and self._wildcard not in spoken else written

    def _sentence(self, words: Sequence[str]) -> list[int]:
        spelt = [list(self._tokens(word)) for word in words]
        joined = [token for tokens in spelt for token in [*self._separator(), *tokens]]
        return joined[len(self._separator()) :]

    def _separator(self) -> list[int]:
        return [self._letters[SEPARATOR]] if SEPARATOR in self._letters else []

    def _tokens(self, word: str) -> Iterator[int]:
        for char in unicodedata.normalize("NFC", word.lower()):
            plain = unicodedata.normalize("NFD", char)[0]
            if char in self._letters and char != SEPARATOR:
                yield self._letters[char]
            elif plain in self._letters and plain != SEPARATOR:
                yield self._letters[plain]
            elif unicodedata.category(char)[0] in "LN" or char in SYMBOLS:
                yield self._wildcard
