"""A recording of any length in VAD chunks, in bounded memory; chunks of several recordings in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from servers.backends._whisper.options import DecodeOptions

SAMPLE_RATE = 16_000
LONGEST = 30 * SAMPLE_RATE
"""Whisper's window, in samples."""
VAD_BLOCK_S = 120.0
"""Speech is detected in so much of a recording at once: a longer one is cut, and decoded, block by block."""
OPEN_S = 1.0
"""Speech that ends so close to the end of what was read may go on in what follows."""

Audio = NDArray[np.float32]
"""Mono at SAMPLE_RATE."""
Detect = Callable[[Audio], Sequence[tuple[float, float]]]
"""Where somebody speaks, as (start, end) in seconds, in order, each at most 30 s."""


@dataclass(frozen=True)
class VadChunk:
    """A stretch of speech of at most 30 s, and when it starts in the recording."""

    start_s: float
    samples: Audio

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class ClosedChunks:
    """The chunks that one block more has closed; all before `end_s` is in them or in those before."""

    chunks: Sequence[VadChunk]
    end_s: float


def vad_chunks(blocks: Iterable[Audio], detect: Detect) -> Iterator[ClosedChunks]:
    """The chunks of a recording, block by block. Each block is longer than a minute, but for the last.

    A chunk that may go on in the next block is detected again together with it, so that no cut is made where
    the blocks happen to meet. A recording of one block is cut as `detect` says.
    """
    rest, read = np.zeros(0, np.float32), 0
    for block, is_last in _marking_the_last(blocks):
        window = np.concatenate([rest, block])
        spans = [(_sample(start), _sample(end)) for start, end in detect(window)]
        closed = len(window) if is_last else _closed(spans, len(window))
        chunks = [_chunk(window, read, span) for span in spans if span[0] < closed]
        read, rest = read + closed, window[closed:]
        yield ClosedChunks(chunks, read / SAMPLE_RATE)


def _closed(spans: Sequence[tuple[int, int]], length: int) -> int:
    """Where what follows cannot change what was found before it."""
    edge = length - _sample(OPEN_S)
    if not spans or spans[-1][1] <= edge:
        return edge
    return spans[-1][0]


def _chunk(window: Audio, read: int, span: tuple[int, int]) -> VadChunk:
    start, end = span[0], min(span[1], span[0] + LONGEST)
    return VadChunk((read + start) / SAMPLE_RATE, window[start:end].copy())  # a view would keep the window


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


@dataclass(frozen=True)
class Batch:
    """Chunks with the same options, each with its recording's index among the requests."""

    options: DecodeOptions
    chunks: Sequence[tuple[int, VadChunk]]


@dataclass
class Batcher:
    """Gathers the chunks of several recordings into batches, in the order in which they came."""

    _waiting: dict[DecodeOptions, list[tuple[int, VadChunk]]] = field(default_factory=dict)

    def add(self, index: int, options: DecodeOptions, chunk: VadChunk) -> Batch | None:
        """The batch that this chunk makes full, if it does."""
        waiting = self._waiting.setdefault(options, [])
        waiting.append((index, chunk))
        return self._pop(options) if len(waiting) >= options.batch_size else None

    def drop(self, index: int) -> None:
        """Forgets the chunks of a recording."""
        for options, waiting in self._waiting.items():
            self._waiting[options] = [each for each in waiting if each[0] != index]

    def remaining(self) -> Iterator[Batch]:
        """The batches of what is left, none of them full."""
        for options in list(self._waiting):
            if self._waiting[options]:
                yield self._pop(options)

    def _pop(self, options: DecodeOptions) -> Batch:
        return Batch(options, self._waiting.pop(options))
