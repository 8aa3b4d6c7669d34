"""A stand-in recogniser for tests of what is told while it hears: the test says how far it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from servers.backends.base import About, Backend, Options, TranscriptItems, one_by_one
from servers.speech import ModelSpec, Progress, Segment, TranscribeRequest, Transcript, Word

CRASH, CRASHED = "crash", "crashed"
LOOK_S = 0.01


class DictationOptions(Options):
    sentences: int
    gates: tuple[int, ...]
    """Numbers of sentences: before each it waits for a file of that name. Where CRASH is there instead
    it calls that CRASHED, and crashes; from then on it hears otherwise.
    """
    folder: Path
    """Where those files are."""


class Dictation(Backend):
    """Whatever the recording is, it hears so many sentences, one in each second."""

    requests: ClassVar = {"transcribe": TranscribeRequest}
    options = DictationOptions

    def load(self, model: ModelSpec, device: str) -> About:
        self._options = DictationOptions(**model.options)
        return About(languages=("en",), device=device)

    def transcribe(self, recordings: Sequence[TranscribeRequest]) -> TranscriptItems:
        return one_by_one(recordings, lambda _: self._heard())

    def _heard(self) -> Iterator[Progress | Segment | Transcript]:
        segments = []
        again = (self._options.folder / CRASHED).exists()
        for number in range(self._options.sentences):
            while number in self._options.gates and not (self._options.folder / str(number)).exists():
                self._crash_if_told()
                yield Progress(number / self._options.sentences)  # where it can be cancelled
                time.sleep(LOOK_S)
            segments.append(sentence(number, again=again))
            yield segments[-1]
        yield Transcript(
            text=" ".join(segment.text for segment in segments),
            language="en",
            duration_s=float(len(segments)),
            segments=tuple(segments),
            words=tuple(word for segment in segments for word in segment.words),
        )

    def _crash_if_told(self) -> None:
        marker = self._options.folder / CRASH
        if marker.exists():
            marker.rename(self._options.folder / CRASHED)
            os._exit(9)


def sentence(number: int, *, again: bool = False) -> Segment:
    text = f"Sentence number {number} is read{' again' if again else ''}."
    words = tuple(
        Word(word=word, start=number + place / 5, end=number + (place + 1) / 5, score=0.9)
        for place, word in enumerate(text.split())
    )
    return Segment(start=words[0].start, end=words[-1].end, text=text, words=words)
