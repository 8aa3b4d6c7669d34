"""Which words share a cue, and how they stand on its lines.

A pause and a new speaker part cues; between those, the words are parted where it costs least, which weighs
the ends of sentences and clauses, the time to read, and lines of about the same length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from servers.text.line_breaks import LEANING, PLAIN, SENTENCE, Piece, line

LINE_COLUMNS = 42
LINES = 2
PAUSE_S = 0.7
"""A silence that begins a new cue."""
LEAST_MS, MOST_MS = 1_000, 7_000
"""How long a cue is shown, where the speech leaves it the time."""
COLUMNS_PER_S = 17
"""How fast is read."""
GAP_MS = 84
"""Between two cues: two frames of a film's 24 a second."""


@dataclass(frozen=True)
class Cue:
    """What is shown from one millisecond of the recording until another: a line or two, and who says it."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


def spoken_cues(parts: Sequence[Piece], costs: Sequence[int]) -> Iterator[Cue]:
    """The pieces in cues, with the times of what is said. `costs` are those of a break after each piece."""
    for begin, end in _stretches(parts):
        until = parts[end].start if end < len(parts) else None
        yield from Stretch(parts[begin:end], costs[begin:end], until).cues()


def reading_ms(width: int) -> float:
    """How long that many columns have to be there."""
    return max(LEAST_MS, width * 1000 / COLUMNS_PER_S)


def _stretches(parts: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    """What no pause and no new speaker parts. Whoever is not known goes on with the one before."""
    begin, speaker = 0, None
    for index, part in enumerate(parts):
        other = None not in (speaker, part.speaker) and part.speaker != speaker
        if index and (other or part.start - parts[index - 1].end >= PAUSE_S):
            yield begin, index
            begin, speaker = index, None
        speaker = part.speaker or speaker
    if parts:
        yield begin, len(parts)


class Stretch:
    """Words that are said without a pause by one speaker, to be parted into the cues that cost least.

    `costs` are those of a break after each; `until` is when the next stretch begins, in
    seconds, None for never.
    """

    def __init__(self, parts: Sequence[Piece], costs: Sequence[int], until: float | None) -> None:
        self._parts = parts
        self._costs = [*costs[:-1], SENTENCE]
        self._starts = [*(part.start for part in parts), until]
        self._widths = [0]
        """Up to each piece, with the spaces before them."""
        for part in parts:
            self._widths.append(self._widths[-1] + part.columns + part.spaced)

    def cues(self) -> Iterator[Cue]:
        """The cheapest partition, by dynamic programming over where the last cue begins."""
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(self._parts) + 1):
            best.append(min((best[begin][0] + cost, begin) for begin, cost in self._ending_at(end)))
        ends = [len(self._parts)]
        while ends[-1]:
            ends.append(best[ends[-1]][1])
        for begin, end in pairwise(reversed(ends)):
            yield self._cue(begin, end)

    def _ending_at(self, end: int) -> Iterator[tuple[int, float]]:
        """Where a cue that ends there may begin, with what it costs; one of a single piece always may."""
        for begin in range(end - 1, -1, -1):
            single = begin == end - 1
            width = self._width(begin, end)
            long = self._parts[end - 1].end - self._parts[begin].start > MOST_MS / 1000
            if not single and (long or width > LINES * LINE_COLUMNS + 1):
                return
            split = 0.0 if single or width <= LINE_COLUMNS else self._split_cost(begin, end)
            if split is not None:
                yield begin, split + self._cost(begin, end, width)

    def _width(self, begin: int, end: int) -> int:
        return self._widths[end] - self._widths[begin] - self._parts[begin].spaced

    def _split_cost(self, begin: int, end: int) -> float | None:
        """Of the best two lines, None where no two are narrow enough."""
        costs = [cost for _, cost in self._splits(begin, end)]
        return min(costs) if costs else None

    def _splits(self, begin: int, end: int) -> Iterator[tuple[int, float]]:
        for place in range(begin + 1, end):
            upper, lower = self._width(begin, place), self._width(place, end)
            if max(upper, lower) <= LINE_COLUMNS:
                yield place, self._costs[place - 1] + PLAIN * abs(upper - lower) / LINE_COLUMNS

    def _cost(self, begin: int, end: int, width: int) -> float:
        """A break is worse than none; so is a cue that is too short to read, has few words, or has a part of
        one sentence beside another.
        """
        broken = self._costs[end - 1]
        until = self._starts[end]
        shown_ms = inf if until is None else (until - self._parts[begin].start) * 1000 - GAP_MS
        missing_s = max(0.0, reading_ms(width) - shown_ms) / 1000
        few = max(0.0, 1 - width / (LINE_COLUMNS / 2))
        whole = broken == SENTENCE and (begin == 0 or self._costs[begin - 1] == SENTENCE)
        parted = not whole and SENTENCE in self._costs[begin : end - 1]
        return PLAIN / 2 + broken + LEANING * missing_s + PLAIN / 2 * few + PLAIN * parted

    def _cue(self, begin: int, end: int) -> Cue:
        parts = self._parts[begin:end]
        return Cue(
            start_ms=round(parts[0].start * 1000),
            end_ms=round(max(part.end for part in parts) * 1000),
            lines=self._lines(begin, end),
            speaker=next((part.speaker for part in self._parts if part.speaker), None),
        )

    def _lines(self, begin: int, end: int) -> tuple[str, ...]:
        if end == begin + 1 or self._width(begin, end) <= LINE_COLUMNS:
            return (line(self._parts[begin:end]),)
        place, _ = min(self._splits(begin, end), key=lambda split: split[1])
        return line(self._parts[begin:place]), line(self._parts[place:end])
