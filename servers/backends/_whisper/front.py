"""What comes before Whisper: where somebody speaks, in which language, and the sound as Whisper takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from servers.backends._whisper.chunks import Audio


class Front(Protocol):
    """A package's way to do it; `whisper` is its faster_whisper.WhisperModel."""

    whisper: Any

    def detect_speech(
        self, samples: Audio, onset: float, offset: float, chunk_s: float
    ) -> list[tuple[float, float]]:
        """The stretches in which somebody speaks, merged up to `chunk_s`, as (start, end) in seconds."""

    def detect_language(self, samples: Audio) -> str:
        """The likeliest language's code, by the first 30 s."""

    def features(self, chunks: Sequence[Audio]) -> Any:
        """Log-mel spectrograms of 30 s each, shape (chunks, mels, frames), silence after what is shorter."""
