"""Where to cut a long recording: in its pauses, or at the latest possible frame where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Stretch:
    """A run of frames, `end` excluded. Stretches follow each other without a gap."""

    start: int
    end: int
    has_speech: bool


def stretches(speech: Sequence[bool], pause: int, shortest: int, longest: int) -> list[Stretch]:
    """The recording cut in the middle of each run of `pause` or more frames without speech.

    `speech` says of each frame whether somebody speaks in it. A stretch has `shortest` frames or more, except
    the last, and at most `longest`: it is cut anyway, at the last frame without speech in its second half.
    """
    cuts = [0]
    for middle in _middles(speech, pause):
        cuts += _forced(speech, cuts[-1], middle, longest)
        if middle - cuts[-1] >= shortest:
            cuts.append(middle)
    cuts += _forced(speech, cuts[-1], len(speech), longest)
    bounds = zip(cuts, [*cuts[1:], len(speech)], strict=True)
    return [Stretch(start, end, any(speech[start:end])) for start, end in bounds if end > start]


def _middles(speech: Sequence[bool], pause: int) -> list[int]:
    middles, frame = [], 0
    for is_speech, run in groupby(speech):
        length = len(list(run))
        if not is_speech and length >= pause:
            middles.append(frame + length // 2)
        frame += length
    return middles


def _forced(speech: Sequence[bool], start: int, end: int, longest: int) -> list[int]:
    """The cuts that keep what lies between `start` and `end` within `longest`."""
    cuts = []
    while end - start > longest:
        second_half = range(start + longest, start + longest // 2, -1)
        start = next((frame for frame in second_half if not speech[frame]), start + longest)
        cuts.append(start)
    return cuts
