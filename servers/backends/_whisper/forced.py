"""A given text aligned with a recording of any length, in any language that Whisper knows.

1. Where somebody speaks is found, in stretches that fit into Whisper's window.
2. Where there is more than one, each is recognised, and the text is cut by what was heard in it.
3. Whisper's attention says when the words of each stretch are said.

Each step reads the recording anew, so that it never lies in the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import numpy as np

from servers.audio.files import blocks
from servers.backends._whisper.allotment import allotted
from servers.backends._whisper.chunks import SAMPLE_RATE, VAD_BLOCK_S, Audio, VadChunk, vad_chunks
from servers.backends._whisper.model import LoadedModel
from servers.backends._whisper.options import DecodeOptions
from servers.backends._whisper.words import Aligned, does_not_fit, words_of
from servers.errors import InvalidRequest
from servers.text.normalize import SpokenWord
from servers.text.timing import Span, timed_words

BLOCK_S = 30.0
FOUND, HEARD = 0.2, 0.6
"""Shares of the work that are done once speech is found, and once all of it is heard."""


@dataclass(frozen=True)
class Stretch:
    """Where somebody speaks, in seconds."""

    start_s: float
    end_s: float


class ForcedAligner:
    """One model, for one text at a time."""

    def __init__(self, model: LoadedModel) -> None:
        self._model, self._recogniser = model, model.recogniser

    def align(
        self, text: str, language: str, audio: BinaryIO, expected_s: float
    ) -> Iterator[float | Aligned]:
        """The share that is done, again and again; at last the text, aligned.

        Raises InvalidRequest where the text cannot be made to fit the recording.
        """
        words = words_of(text, language)
        if not any(word.spoken for word in words):
            raise InvalidRequest("the text has no words that can be spoken", param="text")
        stretches: list[Stretch] = []
        duration_s = 0.0
        for duration_s in self._find(audio, stretches):
            yield min(1.0, duration_s / expected_s) * FOUND
        stretches = stretches or _windows(duration_s)
        heard: list[list[str]] = []
        for share in self._hear(audio, stretches, language, heard):
            yield FOUND + share * (HEARD - FOUND)
        ranges = allotted([_said(word) for word in words], heard)
        spans: list[Span | None] = []
        for share in self._fit(text, words, language, audio, stretches, ranges, spans):
            yield HEARD + share * (1.0 - HEARD)
        timed = timed_words([word.word for word in words], spans, duration_s)
        yield Aligned(timed, [word.start for word in words], duration_s, _unread_s(stretches, ranges))

    def _find(self, audio: BinaryIO, stretches: list[Stretch]) -> Iterator[float]:
        """Adds to `stretches`; yields the seconds that have been gone through."""
        for closed in vad_chunks(blocks(audio, SAMPLE_RATE, VAD_BLOCK_S), self._detect):
            stretches += [Stretch(chunk.start_s, chunk.end_s) for chunk in closed.chunks]
            yield closed.end_s

    def _detect(self, samples: Audio) -> Sequence[tuple[float, float]]:
        vad = self._model.options.vad
        return self._recogniser.detect_speech(samples, vad.onset, vad.offset, vad.chunk_s)

    def _hear(
        self, audio: BinaryIO, stretches: Sequence[Stretch], language: str, heard: list[list[str]]
    ) -> Iterator[float]:
        """Adds the words that are recognised in each stretch; of a single one nobody needs to know."""
        if len(stretches) == 1:
            heard.append([])
            return
        options = DecodeOptions(language)
        for batch in self._batches(audio, stretches):
            for result in self._recogniser.decode([chunk.samples for chunk in batch], options):
                heard.append([_said(word) for word in words_of(result.text, language)])
            yield len(heard) / len(stretches)

    def _fit(
        self,
        text: str,
        words: Sequence[SpokenWord],
        language: str,
        audio: BinaryIO,
        stretches: Sequence[Stretch],
        ranges: Sequence[range],
        spans: list[Span | None],
    ) -> Iterator[float]:
        """Adds the span of each word of the text."""
        pieces = [_piece(text, words, each) for each in ranges]
        done = 0
        for batch in self._batches(audio, stretches):
            fitted = self._recogniser.fit(
                [chunk.samples for chunk in batch], pieces[done : done + len(batch)], language
            )
            for chunk, each in zip(batch, fitted, strict=True):
                if not each.fits:
                    raise does_not_fit(len(words), chunk.end_s - chunk.start_s)
                spans += [_moved(span, chunk.start_s) for span in each.spans]
            done += len(batch)
            yield done / len(stretches)

    def _batches(self, audio: BinaryIO, stretches: Sequence[Stretch]) -> Iterator[list[VadChunk]]:
        chunks = cut(blocks(audio, SAMPLE_RATE, BLOCK_S), stretches)
        while batch := list(islice(chunks, self._model.batch_size)):
            yield batch


def cut(audio: Iterable[Audio], stretches: Iterable[Stretch]) -> Iterator[VadChunk]:
    """The samples of each stretch, in order; no more of a recording is held than one of them has."""
    held, begin, reading = np.zeros(0, np.float32), 0, iter(audio)
    for stretch in stretches:
        start, end = round(stretch.start_s * SAMPLE_RATE), round(stretch.end_s * SAMPLE_RATE)
        while begin + len(held) < end and (block := next(reading, None)) is not None:
            begin, held = _without_past(begin, held, start)
            held = np.concatenate([held, block])
        begin, held = _without_past(begin, held, start)
        yield VadChunk(stretch.start_s, held[: end - start].copy())


def _without_past(begin: int, held: Audio, start: int) -> tuple[int, Audio]:
    past = min(len(held), max(0, start - begin))
    return begin + past, held[past:]


def _windows(duration_s: float) -> list[Stretch]:
    """All of a recording in which nobody is heard to speak: the text may be said in it all the same."""
    starts = np.arange(0.0, duration_s, BLOCK_S).tolist()
    return [Stretch(start, min(duration_s, start + BLOCK_S)) for start in starts]


def _said(word: SpokenWord) -> str:
    return " ".join(word.spoken).casefold()


def _piece(text: str, words: Sequence[SpokenWord], of: range) -> str:
    """What of the text these words are, beginning with the first one: so its words are these."""
    return text[words[of.start].start : words[of.stop - 1].end] if of else ""


def _moved(span: Span | None, by_s: float) -> Span | None:
    return None if span is None else Span(span.start + by_s, span.end + by_s, span.score)


def _unread_s(stretches: Sequence[Stretch], ranges: Sequence[range]) -> float:
    """The stretches of speech that have no word of the text."""
    return sum(each.end_s - each.start_s for each, of in zip(stretches, ranges, strict=True) if not of)
