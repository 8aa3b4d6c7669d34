"""Diarization: who speaks when, and which speaker says a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from servers.backends._whisper.chunks import Audio
from servers.speech import Segment, Word

T = TypeVar("T", Word, Segment)


@dataclass(frozen=True)
class Turn:
    """A stretch in which one speaker speaks; turns may overlap."""

    start: float
    end: float
    speaker: str


class Diarizer:
    """A pipeline that is loaded when it is first needed."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._pipeline: Any = None

    def turns(self, samples: Audio, min_speakers: int | None, max_speakers: int | None) -> list[Turn]:
        """Raises ModelLoadFailed where the pipeline cannot be loaded."""
        if self._pipeline is None:
            self._pipeline = self._load()
        found = self._pipeline(samples, min_speakers=min_speakers, max_speakers=max_speakers)
        rows = zip(found["start"], found["end"], found["speaker"], strict=True)
        return [Turn(float(start), float(end), str(speaker)) for start, end, speaker in rows]


class Speakers:
    """Who speaks in a stretch of time, by the turns."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.names = sorted({turn.speaker for turn in turns})
        self._starts = np.array([turn.start for turn in turns])
        self._ends = np.array([turn.end for turn in turns])
        self._speakers = np.array([self.names.index(turn.speaker) for turn in turns], np.intp)

    def speaker_at(self, start: float, end: float) -> str | None:
        """Who speaks for most of it; whoever is nearest where nobody does, None where nobody ever does."""
        if not self.names:
            return None
        shared = np.minimum(self._ends, end) - np.maximum(self._starts, start)
        if shared.max() > 0:
            shares = np.bincount(self._speakers, weights=np.maximum(shared, 0))
            return self.names[int(shares.argmax())]
        return self.names[int(self._speakers[shared.argmax()])]

    def labelled(self, timed: T) -> T:
        return timed.model_copy(update={"speaker": self.speaker_at(timed.start, timed.end)})

    def labelled_segments(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """The segments and their words, each with its speaker."""
        return tuple(
            self.labelled(segment).model_copy(
                update={"words": tuple(self.labelled(word) for word in segment.words)}
            )
            for segment in segments
        )
