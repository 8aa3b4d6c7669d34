"""Which words of a text are said in which stretch of a recording, by what is heard in each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise


def allotted(text: Sequence[str], heard: Sequence[Sequence[str]]) -> list[range]:
    """The words of the text that each stretch has: ranges that follow each other from the first to the last.

    `heard` are the words that were recognised in each. Words of both that are the same, in order, are
    anchors; what stands between two anchors is cut where as large a share of what was heard between them is.
    """
    joined = [word for stretch in heard for word in stretch]
    anchors = _anchors(text, joined)
    cuts, place = [0], 0
    for stretch in heard[:-1]:
        place += len(stretch)
        cuts.append(max(cuts[-1], _interpolated(place, anchors)))
    cuts.append(len(text))
    return [range(start, end) for start, end in pairwise(cuts)]


def _anchors(text: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """(place in what was heard, place in the text) of what is the same, and of both ends."""
    blocks = SequenceMatcher(None, heard, text).get_matching_blocks()
    ends = [
        end for block in blocks for end in ((block.a, block.b), (block.a + block.size, block.b + block.size))
    ]
    return [(0, 0), *ends]


def _interpolated(place: int, anchors: Sequence[tuple[int, int]]) -> int:
    after = bisect_left(anchors, (place, 0))
    (low, low_text), (high, high_text) = anchors[max(0, after - 1)], anchors[min(after, len(anchors) - 1)]
    if high == low:
        return high_text
    return low_text + round((place - low) / (high - low) * (high_text - low_text))
