"""A long text in segments that can be spoken at once, cut where spaCy finds the ends of sentences."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from servers.errors import InvalidRequest
from servers.extras import require
from servers.text.languages import language_code
from servers.text.packing import CLAUSES, WORDS, TextSpan, between, characters, packed
from servers.text.sentences import PARAGRAPH_BREAK

if TYPE_CHECKING:
    from spacy.language import Language

STAND_INS = {"ja": "zh", "ko": "xx", "th": "xx", "vi": "xx"}
"""Languages whose own tokenizers need further packages, and whose sentences end as in these."""

_spacy_in_use = threading.Lock()


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
    spans = chain.from_iterable(_packed(text, group, chosen.max_sentences, max_chars) for group in groups)
    return [text[start:end] for start, end in spans]


def _packed(text: str, group: list[TextSpan], max_sentences: int | None, max_chars: int) -> list[TextSpan]:
    cuts = (CLAUSES, WORDS, characters)
    return packed(text, group, lambda part: len(part) <= max_chars, cuts, most=max_sentences)


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


def _sentences(nlp: Language, text: str, within: TextSpan) -> list[TextSpan]:
    start, end = within
    with _spacy_in_use, nlp.memory_zone():  # the words are forgotten again
        ends = [start + sentence.end_char for sentence in nlp(text[start:end]).sents]
    return between(text, [start, *ends])


def _paragraphs(text: str) -> list[TextSpan]:
    edges = [0, *(edge for mark in PARAGRAPH_BREAK.finditer(text) for edge in mark.span()), len(text)]
    return between(text, edges)
