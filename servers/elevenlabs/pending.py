"""Text that comes in pieces, as a language model makes it, cut into what is spoken in one go."""

from __future__ import annotations

import re

from servers.text.packing import CLAUSES, WORDS, characters, packed
from servers.text.sentences import sentence_spans

LONGEST_CHARS = 400
"""A sentence that does not end is spoken in pieces of at most so many characters."""
FEWEST_CHARS = 50
"""What is worth speaking before its end, where a client tries that."""
MAY_END = re.compile(r"[.!?…][\"'”’»)\]]*\s|[。！？]")
AROUND = 10
"""Characters before a piece that may be part of the sentence's end in it."""
NEXT = "X"
"""Stands for the text that is to come: a sentence has ended where this would not be part of it."""


class Pending:
    """The text that has come and was not given out, a beginning of a sentence at most."""

    def __init__(self, text: str = "") -> None:
        self._text = text

    @property
    def text(self) -> str:
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def add(self, text: str) -> list[str]:
        """The sentences that are complete with it."""
        may_end = MAY_END.search(self._text[-AROUND:] + text) is not None
        self._text += text
        found = self._give(sentence_spans(self._text + NEXT)[-1][0]) if may_end else []
        if len(self._text) > LONGEST_CHARS:
            pieces = _pieces(self._text)
            found += self._give(pieces[-1][0] if pieces else len(self._text))
        return found

    def try_flush(self) -> list[str]:
        """The words that are complete, if there are enough of them."""
        if len(self._text) < FEWEST_CHARS:
            return []
        return self._give(max(self._text.rfind(" "), self._text.rfind("\n")) + 1)

    def flush(self) -> list[str]:
        """All of it, sentence by sentence."""
        return self._give(len(self._text))

    def _give(self, end: int) -> list[str]:
        text, self._text = self._text[:end], self._text[end:]
        return [part for part in _parts(text) if any(char.isalnum() for char in part)]


def _parts(text: str) -> list[str]:
    return [text[start:end] for start, end in _pieces(text)]


def _pieces(text: str) -> list[tuple[int, int]]:
    cuts = (CLAUSES, WORDS, characters)
    return packed(text, sentence_spans(text), lambda part: len(part) <= LONGEST_CHARS, cuts, most=1)
