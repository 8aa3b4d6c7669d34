"""A stand-in model for tests of timing and failure: it makes tones, and misbehaves when it is asked to."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from servers.backends.base import About, Backend, Options, SynthesisItems, TranscriptItems
from servers.errors import BackendFailed, ModelLoadFailed, OutOfMemory, UnknownVoice
from servers.speech import (
    Chunk,
    ModelSpec,
    Progress,
    Samples,
    Speech,
    TranscribeRequest,
    Transcript,
    Utterance,
    Voice,
    Word,
)

SAMPLE_RATE = 16_000
VOICES = ("low", "high")


class FakeOptions(Options):
    load_s: float = 0.0
    fail_load: bool = False
    crash_load: bool = False
    pace_s: float = 0.0
    """How long each chunk takes to make, where the payload does not say."""
    chunks: int = 3
    max_batch: int = 4
    numbered: bool = False
    """Speak as `numbered` does, with the number that the text names; 0 where it names none. "7 in 40 chunks"
    has so many.
    """


class FakeUtterance(Utterance):
    chunks: int | None = None
    chunk_ms: int = 100
    """The audio in each chunk."""
    pace_s: float | None = None
    level: int = 1000
    """The value of every sample, to tell one job's audio from another's."""
    fail_after: int | None = None
    raise_after: int | None = None
    crash_after: int | None = None
    crash_once: Path | None = None
    """Crash after the first chunk unless this file exists; it is made."""
    out_of_memory_once: Path | None = None
    """Run out of memory unless this file exists; it is made."""
    deaf_s: float = 0.0
    """After the first chunk, work this long without noticing a cancellation."""


class FakeRecording(TranscribeRequest):
    pace_s: float = 0.0


class Fake(Backend):
    """It waits where a real model would compute, and speaks one word for each chunk."""

    requests: ClassVar = {"synthesize": FakeUtterance, "transcribe": FakeRecording}
    honours: ClassVar = frozenset({"voice"})
    options = FakeOptions

    @classmethod
    def batch_limit(cls, options: FakeOptions) -> int:
        return options.max_batch

    def load(self, model: ModelSpec, device: str) -> About:
        self._options = options = FakeOptions(**model.options)
        time.sleep(options.load_s)
        if options.crash_load:
            os._exit(9)
        if options.fail_load:
            raise ModelLoadFailed("the weights are missing: run the command that fetches them")
        return About(
            voices=tuple(Voice(name=name) for name in VOICES), sample_rate=SAMPLE_RATE, device=device
        )

    def synthesize(self, utterances: Sequence[FakeUtterance]) -> SynthesisItems:
        for index, utterance in enumerate(utterances):
            if utterance.voice is not None and utterance.voice not in VOICES:
                known = ", ".join(VOICES)
                yield index, UnknownVoice(f"no voice {utterance.voice!r}; some are {known}", param="voice")
                continue
            yield from ((index, item) for item in self._speak(utterance))

    def _speak(self, utterance: FakeUtterance):
        chunks = self._chunks(utterance)
        pace_s = self._options.pace_s if utterance.pace_s is None else utterance.pace_s
        size = SAMPLE_RATE * utterance.chunk_ms // 1000
        if _first_time(utterance.out_of_memory_once):
            yield OutOfMemory("the device is full")
            return
        for made in range(chunks):
            if utterance.fail_after == made:
                yield BackendFailed("asked to fail")
                return
            if utterance.raise_after == made:
                raise RuntimeError("asked to raise")
            if utterance.crash_after == made or (made == 1 and _first_time(utterance.crash_once)):
                os._exit(9)
            time.sleep(pace_s + (utterance.deaf_s if made == 1 else 0))
            yield Chunk(self._sound(utterance, made * size, size), SAMPLE_RATE)
        step = utterance.chunk_ms / 1000
        words = (Word(word=str(i), start=i * step, end=(i + 1) * step) for i in range(chunks))
        yield Speech(words=tuple(words))

    def _chunks(self, utterance: FakeUtterance) -> int:
        named = re.search(r"in (\d+) chunks", utterance.text) if self._options.numbered else None
        if utterance.chunks is not None:
            return utterance.chunks
        return int(named[1]) if named else self._options.chunks

    def _sound(self, utterance: FakeUtterance, start: int, count: int) -> Samples:
        if self._options.numbered:
            named = re.search(r"\d+", utterance.text)
            return numbered(int(named[0]) if named else 0, start, count)
        return np.full(count, utterance.level, np.int16)

    def transcribe(self, recordings: Sequence[FakeRecording]) -> TranscriptItems:
        for index, recording in enumerate(recordings):
            yield index, Progress(0.5)
            time.sleep(recording.pace_s)
            yield index, Transcript(text=recording.audio_path.name, language="en", duration_s=0.0)


def numbered(number: int, start: int, count: int) -> Samples:
    """`count` samples from `start` on of audio that tells whose it is, and where in it one is.

    Every even sample is the number (0…32,767), every odd one counts the pairs, from 0 again after 32,767.
    """
    places = np.arange(start, start + count)
    return np.where(places % 2, places // 2 % 2**15, number).astype(np.int16)


def _first_time(marker: Path | None) -> bool:
    if marker is None or marker.exists():
        return False
    marker.touch()
    return True
