"""Times for every word of a text, also for those with none of their own, such as a lone dash."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from servers.speech import Segment, Word
from servers.text.sentences import sentences


@dataclass(frozen=True)
class Span:
    """When a word is said, in seconds, and the confidence in it, None where its source has none."""

    start: float
    end: float
    score: float | None = None


def timed_words(
    words: Sequence[str], spans: Sequence[Span | None], end_s: float, begin_s: float = 0.0
) -> tuple[Word, ...]:
    """A Word for each of `words`: in order, start ≤ end, none before the last one's start, all in begin…end.

    Words without a span share the gap between their neighbours equally, and are marked as interpolated.
    """
    ordered = _in_order(_filled(spans, begin_s, end_s), begin_s, end_s)
    return tuple(
        Word(
            word=word,
            start=round(span.start, 4),
            end=round(span.end, 4),
            score=span.score,
            interpolated=known is None,
        )
        for word, span, known in zip(words, ordered, spans, strict=True)
    )


def timed_sentences(text: str, begins: Sequence[int], words: Sequence[Word]) -> tuple[Segment, ...]:
    """The sentences of a text with their words, each in the one where it begins: `begins` says where."""
    starts, end = [], 0
    for sentence in sentences(text):
        starts.append(text.index(sentence, end))
        end = starts[-1] + len(sentence)
    grouped: dict[int, list[int]] = {}
    for number, begin in enumerate(begins):
        grouped.setdefault(bisect_right(starts, begin), []).append(number)
    return tuple(
        Segment(
            start=words[group[0]].start,
            end=words[group[-1]].end,
            text=" ".join(text[begins[group[0]] : begins[group[-1]] + len(words[group[-1]].word)].split()),
            words=tuple(words[number] for number in group),
        )
        for group in grouped.values()
    )


def _filled(spans: Sequence[Span | None], begin_s: float, end_s: float) -> list[Span]:
    filled: list[Span] = []
    for missing, run in groupby(range(len(spans)), key=lambda index: spans[index] is None):
        indices = list(run)
        if missing:
            start_s = filled[-1].end if filled else begin_s
            following = spans[indices[-1] + 1] if indices[-1] + 1 < len(spans) else None
            filled += _shared(start_s, following.start if following else end_s, len(indices))
        else:
            filled += [span for index in indices if (span := spans[index]) is not None]
    return filled


def _shared(start_s: float, end_s: float, count: int) -> list[Span]:
    end_s = max(start_s, end_s)
    step = (end_s - start_s) / count
    return [Span(start_s + step * index, start_s + step * (index + 1)) for index in range(count)]


def _in_order(spans: list[Span], begin_s: float, end_s: float) -> list[Span]:
    ordered, earliest = [], begin_s
    for span in spans:
        start = min(max(span.start, earliest), end_s)
        ordered.append(Span(start, min(max(span.end, start), end_s), span.score))
        earliest = start
    return ordered
