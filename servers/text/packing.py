"""Spans of a text that fit a limit: neighbours joined while they do, and what does not fit cut.

Who packs says what fits (so many characters, so many tokens of a model) and at which places to cut, the
coarsest first: `CLAUSES`, `WORDS`, then one of `characters` and `halves`, which cut anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise

TextSpan = tuple[int, int]
"""Where a stretch of a text begins and ends, without white space around it."""
Fits = Callable[[str], bool]
Cut = Callable[[str, TextSpan], list[TextSpan]]
"""The smaller spans of a span; the span alone where there are none."""

CLAUSE_END = re.compile(r"[,;:—–…)\]»”]+(?=\s)|—|[，、；：。！？]+")
WORD_END = re.compile(r"\S(?=\s)")


def packed(
    text: str,
    parts: Iterable[TextSpan],
    fits: Fits,
    cuts: tuple[Cut, ...],
    first: Fits | None = None,
    most: int | None = None,
) -> list[TextSpan]:
    """The parts in order, joined with the next ones while they fit; one that does not fit alone is cut.

    The first span has to fit by `first` to be joined with more; at most `most` parts are joined. The rest of
    a part that was cut is joined with the next ones as if it were a whole one.
    """
    found: list[TextSpan] = []
    count = 0
    for part in parts:
        limit = first if first is not None and len(found) == 1 else fits
        if count and count != most and limit(text[found[-1][0] : part[1]]):
            found[-1] = found[-1][0], part[1]
            count += 1
        else:
            found += _cut(text, part, fits, cuts)
            count = 1
    return found


def _cut(text: str, part: TextSpan, fits: Fits, cuts: tuple[Cut, ...]) -> list[TextSpan]:
    """The part, or what it has to be cut into; the finest cut is made as often as it can be."""
    if fits(text[part[0] : part[1]]):
        return [part]
    coarsest, *finer = cuts
    smaller = coarsest(text, part)
    if len(smaller) == 1 and not finer:
        return smaller
    return packed(text, smaller, fits, tuple(finer) or cuts)


def between(text: str, places: Iterable[int]) -> list[TextSpan]:
    """What is between each place and the next one, except where that is white space."""
    spans = (stripped(text, span) for span in pairwise(places))
    return [span for span in spans if span[0] < span[1]]


def stripped(text: str, span: TextSpan) -> TextSpan:
    part = text[span[0] : span[1]]
    return span[1] - len(part.lstrip()), span[0] + len(part.rstrip())


def after(ends: re.Pattern[str]) -> Cut:
    """Cuts after each match."""

    def cut(text: str, span: TextSpan) -> list[TextSpan]:
        places = [mark.end() for mark in ends.finditer(text, *span)]
        return between(text, [span[0], *places, span[1]])

    return cut


CLAUSES, WORDS = after(CLAUSE_END), after(WORD_END)


def characters(text: str, span: TextSpan) -> list[TextSpan]:
    """Every character with the marks that belong to it; what is one such character, without them."""
    start, end = span
    places = [place for place in range(start + 1, end) if unicodedata.category(text[place])[0] != "M"]
    return between(text, [start, *(places or range(start + 1, end)), end])


def halves(text: str, span: TextSpan) -> list[TextSpan]:
    """Two of the same length: for whoever measures at a cost, and cannot try every character."""
    start, end = span
    return between(text, [start, (start + end) // 2, end] if end - start > 1 else span)
