"""A long text in segments that can be spoken at once, cut where spaCy finds the ends of sentences."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from servers.errors import InvalidRequest
from servers.extras import require
from servers.text.languages import language_code
from servers.text.sentences import PARAGRAPH_BREAK

if TYPE_CHECKING:
    from spacy.language import Language

CLAUSE_END = re.compile(r"[,;:—–…)\]»”]+(?=\s)|—|[，、；：。！？]+")
WORD_END = re.compile(r"\S(?=\s)")
STAND_INS = {"ja": "zh", "ko": "xx", "th": "xx", "vi": "xx"}
"""Languages whose own tokenizers need further packages, and whose sentences end as in these."""

_spacy_in_use = threading.Lock()
Span = tuple[int, int]
"""A stretch of the text, without white space around it."""


@dataclass(frozen=True)
class Strategy:
    """What may share a segment, besides that it is never longer than `max_chars`."""

    max_sentences: int | None = None
    across_paragraphs: bool = True


STRATEGIES = {
    "char_count": Strategy(),
    "paragraph": Strategy(across_paragraphs=False),
    "sentence": Strategy(max_sentences=1),
    "sentence_count": Strategy(max_sentences=3),
}


def segment(
    text: str, language: str = "english", strategy: str = "char_count", max_chars: int = 300
) -> list[str]:
    """The text's segments in order, as written, none longer than `max_chars` and none empty.

    A sentence that is too long is cut at the last clause that fits, else at a space, else anywhere.
    Raises InvalidRequest for an unknown language or strategy, MissingExtra without spaCy. Thread-safe.
    """
    chosen = STRATEGIES.get(strategy)
    if chosen is None:
        possible = ", ".join(STRATEGIES)
        raise InvalidRequest(f"no strategy {strategy[:40]!r}; possible are {possible}", param="strategy")
    require("spacy", "spacy")
    nlp = _pipeline(language_code(language, _languages()))
    paragraphs = [_sentences(nlp, text, paragraph) for paragraph in _paragraphs(text)]
    groups = [list(chain(*paragraphs))] if chosen.across_paragraphs else paragraphs
    packed = (span for group in groups for span in _packed(text, group, chosen.max_sentences, max_chars))
    return [text[start:end] for start, end in packed]


@cache
def _languages() -> frozenset[str]:
    import spacy.lang

    return frozenset(module.name for module in iter_modules(spacy.lang.__path__) if module.ispkg)


@cache
def _pipeline(code: str) -> Language:
    import spacy

    nlp = spacy.blank(STAND_INS.get(code, code))
    nlp.add_pipe("sentencizer")
    nlp.max_length = 1 << 31  # its limit is there for parsers; ours is the caller's
    return nlp


def _sentences(nlp: Language, text: str, within: Span) -> list[Span]:
    start, end = within
    with _spacy_in_use, nlp.memory_zone():  # the words are forgotten again
        ends = [start + sentence.end_char for sentence in nlp(text[start:end]).sents]
    found = (_stripped(text, span) for span in pairwise([start, *ends]))
    return [span for span in found if span[0] < span[1]]


def _paragraphs(text: str) -> Iterator[Span]:
    breaks = [mark.span() for mark in PARAGRAPH_BREAK.finditer(text)]
    edges = [(0, 0), *breaks, (len(text), len(text))]
    return (_stripped(text, (before[1], after[0])) for before, after in pairwise(edges))


def _stripped(text: str, span: Span) -> Span:
    piece = text[span[0] : span[1]]
    return span[1] - len(piece.lstrip()), span[0] + len(piece.rstrip())


def _packed(
    text: str, sentences: Iterable[Span], max_sentences: int | None, max_chars: int
) -> Iterator[Span]:
    """As many sentences to a span as may share one; those that are too long are cut."""
    start = end = count = 0
    for first, last in sentences:
        full = count == max_sentences or last - start > max_chars
        if full and count:
            yield start, end
        if full or not count:
            *cut, (start, end) = _cut(text, (first, last), max_chars)
            yield from cut
            count = 1
        else:
            end, count = last, count + 1
    if count:
        yield start, end


def _cut(text: str, span: Span, max_chars: int) -> list[Span]:
    """The span in pieces that are short enough."""
    pieces, (start, end) = [], span
    while end - start > max_chars:
        cut = _place_to_cut(text, start, start + max_chars)
        pieces.append(_stripped(text, (start, cut)))
        start = _stripped(text, (cut, end))[0]
    return [*pieces, (start, end)]


def _place_to_cut(text: str, start: int, limit: int) -> int:
    for places in (CLAUSE_END, WORD_END):
        ends = [mark.end() for mark in places.finditer(text, start, limit + 1)]
        fitting = [end for end in ends if start < end <= limit]
        if fitting:
            return fitting[-1]
    return _between_characters(text, start, limit)


def _between_characters(text: str, start: int, limit: int) -> int:
    """Not before a mark that belongs to the letter in front of it, where that can be helped."""
    for cut in range(limit, start, -1):
        if unicodedata.category(text[cut])[0] != "M":
            return cut
    return limit
