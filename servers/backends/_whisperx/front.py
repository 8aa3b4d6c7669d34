"""What comes before Whisper, by whisperx's pipeline: pyannote's voice activity detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servers.backends._whisper.chunks import SAMPLE_RATE, Audio


class PipelineFront:
    """One whisperx pipeline, for one thread."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline, self.whisper, self._vad = pipeline, pipeline.model, pipeline.vad_model

    def detect_speech(
        self, samples: Audio, onset: float, offset: float, chunk_s: float
    ) -> list[tuple[float, float]]:
        waveform = self._vad.preprocess_audio(samples)
        scores = self._vad({"waveform": waveform, "sample_rate": SAMPLE_RATE})
        merged = self._vad.merge_chunks(scores, chunk_s, onset=onset, offset=offset)
        return [(float(chunk["start"]), float(chunk["end"])) for chunk in merged]

    def detect_language(self, samples: Audio) -> str:
        return self._pipeline.detect_language(samples)

    def features(self, chunks: Sequence[Audio]) -> Any:
        return np.stack([self._pipeline.preprocess({"inputs": each})["inputs"].numpy() for each in chunks])
