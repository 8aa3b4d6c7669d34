"""What comes before Whisper, by faster-whisper: Silero's voice activity detection, numpy's spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servers.backends._whisper.chunks import LONGEST, SAMPLE_RATE, Audio

PAUSE_MS = 160
"""Speech is cut where it pauses for so long, as faster-whisper's own batches are."""


class SileroFront:
    """One faster_whisper.WhisperModel, for one thread."""

    def __init__(self, whisper: Any) -> None:
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        self.whisper = whisper
        self._vad_options, self._speech = VadOptions, get_speech_timestamps

    def detect_speech(
        self, samples: Audio, onset: float, offset: float, chunk_s: float
    ) -> list[tuple[float, float]]:
        options = self._vad_options(
            threshold=onset,
            neg_threshold=min(offset, onset),
            max_speech_duration_s=chunk_s,
            min_silence_duration_ms=PAUSE_MS,
        )
        found = self._speech(samples, options)
        stretches = [(each["start"] / SAMPLE_RATE, each["end"] / SAMPLE_RATE) for each in found]
        return merged(stretches, chunk_s)

    def detect_language(self, samples: Audio) -> str:
        language, _, _ = self.whisper.detect_language(features=self.features([samples[:LONGEST]])[0])
        return str(language)

    def features(self, chunks: Sequence[Audio]) -> Any:
        return np.stack([self._spectrogram(np.pad(each, (0, LONGEST - len(each)))) for each in chunks])

    def _spectrogram(self, samples: Audio) -> Any:
        return self.whisper.feature_extractor(samples, padding=0)


def merged(stretches: Sequence[tuple[float, float]], chunk_s: float) -> list[tuple[float, float]]:
    """Stretches that follow each other as one, as long as that lasts no longer than `chunk_s`."""
    chunks: list[tuple[float, float]] = []
    for start, end in stretches:
        if chunks and end - chunks[-1][0] <= chunk_s:
            chunks[-1] = (chunks[-1][0], end)
        else:
            chunks.append((start, end))
    return chunks
