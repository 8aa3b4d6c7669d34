"""A recording of any length, cut into the stretches that are heard one by one, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
LONGEST = 30 * SAMPLE_RATE
"""Whisper's window, in samples."""
OPEN_S = 1.0
"""Speech that ends so close to the end of what was read may go on in what follows."""

Audio = NDArray[np.float32]
"""Mono at SAMPLE_RATE."""
Detect = Callable[[Audio], Sequence[tuple[float, float]]]
"""Where somebody speaks, as (start, end) in seconds, in order, each at most 30 s."""


@dataclass(frozen=True)
class Piece:
    """A stretch of speech of at most 30 s, and when it starts in the recording."""

    start_s: float
    samples: Audio

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Look:
    """The pieces that were found by looking at one block more; all before `end_s` has been looked at."""

    pieces: Sequence[Piece]
    end_s: float


def looks(blocks: Iterable[Audio], detect: Detect) -> Iterator[Look]:
    """The pieces of a recording, block by block. Each block is longer than a minute, but for the last.

    A piece that may go on in the next block is looked at again together with it, so that no cut is made
    where the blocks happen to meet. A recording of one block is cut as `detect` says.
    """
    rest, read = np.zeros(0, np.float32), 0
    for block, is_last in _marking_the_last(blocks):
        window = np.concatenate([rest, block])
        spans = [(_sample(start), _sample(end)) for start, end in detect(window)]
        closed = len(window) if is_last else _closed(spans, len(window))
        pieces = [_piece(window, read, span) for span in spans if span[0] < closed]
        read, rest = read + closed, window[closed:]
        yield Look(pieces, read / SAMPLE_RATE)


def _closed(spans: Sequence[tuple[int, int]], length: int) -> int:
    """Where what follows cannot change what was found before it."""
    edge = length - _sample(OPEN_S)
    if not spans or spans[-1][1] <= edge:
        return edge
    return spans[-1][0]


def _piece(window: Audio, read: int, span: tuple[int, int]) -> Piece:
    start, end = span[0], min(span[1], span[0] + LONGEST)
    return Piece((read + start) / SAMPLE_RATE, window[start:end].copy())  # a view would keep the window


def _sample(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _marking_the_last(blocks: Iterable[Audio]) -> Iterator[tuple[Audio, bool]]:
    previous: Audio | None = None
    for block in blocks:
        if previous is not None:
            yield previous, False
        previous = block
    if previous is not None:
        yield previous, True
