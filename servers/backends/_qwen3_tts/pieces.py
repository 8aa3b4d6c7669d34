"""A long text in pieces that a model speaks well in one go, cut where a reader would take breath."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from servers.text.sentences import paragraphs, sentences

SENTENCE_PAUSE_S = 0.25
PARAGRAPH_PAUSE_S = 0.6
CLAUSE_END = re.compile(r"(?<=[,;:，；：、—])\s*")
WHITE_SPACE = re.compile(r"\s+")
CUTS = (CLAUSE_END, WHITE_SPACE)
NO_SPACE_AFTER = "。！？，；：、"

Size = Callable[[str], int]


@dataclass(frozen=True)
class Piece:
    """`pause_s` is the silence between this piece's last sound and the next one's first."""

    text: str
    pause_s: float


def pieces(text: str, longest: int, size: Size, first: int | None = None) -> list[Piece]:
    """The text in order, nothing left out, in pieces of at most `longest` by `size`, the first of `first`.

    A text that fits is one piece, as it was written. Otherwise it is cut between paragraphs and sentences; a
    sentence that is too long itself between its clauses, then its words, then its characters.
    """
    if size(text) <= longest:
        return [Piece(text.strip(), 0.0)]
    found: list[Piece] = []
    for paragraph in paragraphs(text):
        fitting = [part for each in sentences(paragraph) for part in _fitting(each, longest, size)]
        *packed, last = _packed(fitting, longest, size, None if found else first)
        found += [Piece(each, SENTENCE_PAUSE_S) for each in packed]
        found.append(Piece(last, PARAGRAPH_PAUSE_S))
    return [*found[:-1], Piece(found[-1].text, 0.0)]


def _packed(parts: Iterable[str], longest: int, size: Size, first: int | None = None) -> list[str]:
    """The parts, joined with the next ones while they fit."""
    packed: list[str] = []
    for part in parts:
        limit = first if first is not None and len(packed) == 1 else longest
        joined = _joined(packed[-1], part) if packed else part
        if packed and size(joined) <= limit:
            packed[-1] = joined
        else:
            packed.append(part)
    return packed


def _fitting(part: str, longest: int, size: Size, cuts: tuple[re.Pattern[str], ...] = CUTS) -> list[str]:
    """The part, or what it has to be cut into."""
    if size(part) <= longest:
        return [part]
    if not cuts:
        return _halved(part, longest, size)
    finer = [
        each for piece in cuts[0].split(part) if piece for each in _fitting(piece, longest, size, cuts[1:])
    ]
    return _packed(finer, longest, size)


def _halved(part: str, longest: int, size: Size) -> list[str]:
    if size(part) <= longest or len(part) == 1:
        return [part]
    middle = len(part) // 2
    return [*_halved(part[:middle], longest, size), *_halved(part[middle:], longest, size)]


def _joined(before: str, after: str) -> str:
    return before + after if before[-1] in NO_SPACE_AFTER else f"{before} {after}"
