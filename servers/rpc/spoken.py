"""An utterance's sentences as their model speaks them, to frames of 20 ms with words."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from servers.audio.framing import FRAME_MS, FRAME_RATE_HZ, FRAME_SAMPLES, Framer
from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler
from servers.rpc.levelling import Leveller
from servers.speech import Chunk, Word

FIRST_S, AT_ONCE_S = 0.06, 0.5
"""The first frame of a chunk does not wait until all of it is levelled. The rest is, in parts of that length:
the longer they are, the less of the processor's time each frame takes.
"""
TURN = threading.Lock()
"""One stream is levelled at a time: many threads that compute hold up each other, and those that only pass on
what is made, at every call that lets go of the interpreter.
"""
SPARE_SAMPLES = 16
"""By so many a resampler's whole output may be shorter than its input is long."""


@dataclass(frozen=True)
class Frame:
    """20 ms of an utterance. Words have its time, in seconds; `padding` is samples of silence at its end."""

    audio: bytes
    words: tuple[Word, ...] = ()
    is_last: bool = False
    padding: int = 0


class Frames:
    """Of one utterance. The same samples are the same frames, however they are cut into chunks.

    `leveller` has the loudness that is wanted; it may hold back what it is given.
    """

    def __init__(self, leveller: Leveller) -> None:
        self._leveller = leveller
        self._resampler: StreamResampler | None = None
        self._framer = Framer()
        self._words: list[Word] = []
        self._made = 0
        self._held: bytes | None = None
        """The last frame, until it is known whether it is that."""
        self._sample_rate = self._taken = self._framed = 0
        """Samples that the model has made, and that are in frames at FRAME_RATE_HZ."""
        self._heard = self._told = self._told_of_attempt = 0
        """Samples and words of the current sentence that are here; and words that the attempt has told."""
        self._skips = 0
        self._before_s = 0.0

    def push(self, chunk: Chunk) -> Iterator[Frame]:
        """What the next samples of the current sentence complete."""
        self._add_words(chunk.words, self._told_of_attempt)
        self._told_of_attempt += len(chunk.words)
        samples = chunk.samples[self._skips :]
        self._skips -= len(chunk.samples) - len(samples)
        self._heard += len(samples)
        first, step = (round(seconds * chunk.sample_rate) for seconds in (FIRST_S, AT_ONCE_S))
        bounds = [0, *range(first, len(samples), step), len(samples)]
        for start, end in pairwise(bounds):
            with TURN:
                made = self._levelled(self._resampled(to_float32(samples[start:end]), chunk.sample_rate))
            yield from self._give(made)

    def begin_again(self) -> None:
        """The model begins the current sentence anew: as much of it as is here is passed over."""
        self._skips, self._told_of_attempt = self._heard, 0

    def end_sentence(self, words: Sequence[Word]) -> None:
        """`words` are all of it, in the time of its own audio."""
        self._add_words(words, 0)
        if self._sample_rate:
            self._before_s += self._heard / self._sample_rate
        self._heard = self._told = self._told_of_attempt = self._skips = 0

    def finish(self) -> Iterator[Frame]:
        """The rest, its last frame marked; none where nothing was spoken."""
        if self._resampler is not None:
            with TURN:
                rest = self._levelled(self._resampler.push(np.zeros(0, np.float32), last=True), last=True)
            yield from self._give(rest)
        tail, padding = self._framer.finish() or (None, 0)
        if tail is not None:
            yield from self._next(tail)
        if self._held is not None:
            yield self._frame(self._held, is_last=True, padding=padding)
            self._held = None

    def _add_words(self, words: Sequence[Word], first: int) -> None:
        """Of the current sentence, those that were not told; `first` is the index of the first one."""
        for word in words[max(0, self._told - first) :]:
            moved = {"start": word.start + self._before_s, "end": word.end + self._before_s}
            self._words.append(word.model_copy(update=moved))
            self._told += 1

    def _resampled(self, samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        self._taken += len(samples)
        if self._resampler is None:
            self._sample_rate = sample_rate
            self._resampler = StreamResampler(sample_rate, FRAME_RATE_HZ)
        return self._resampler.push(samples)

    def _levelled(self, samples: NDArray[np.float32], last: bool = False) -> NDArray[np.int16]:
        return to_int16(self._leveller.push(samples, last=last))

    def _give(self, samples: NDArray[np.int16]) -> Iterator[Frame]:
        for frame in self._framer.push(samples):
            yield from self._next(frame)
        if self._held is not None and self._is_followed():
            yield self._frame(self._held)
            self._held = None

    def _next(self, frame: bytes) -> Iterator[Frame]:
        """The one before it, for it was not the last one."""
        self._framed += FRAME_SAMPLES
        if self._held is not None:
            yield self._frame(self._held)
        self._held = frame

    def _is_followed(self) -> bool:
        """Of what the model has made some is not in a frame yet, whatever holds it back."""
        return self._taken * FRAME_RATE_HZ // self._sample_rate - SPARE_SAMPLES > self._framed

    def _frame(self, audio: bytes, *, is_last: bool = False, padding: int = 0) -> Frame:
        self._made += 1
        until_s = self._made * FRAME_MS / 1000
        words = [word for word in self._words if is_last or word.start < until_s]
        self._words = self._words[len(words) :]
        return Frame(audio, tuple(words), is_last, padding)
