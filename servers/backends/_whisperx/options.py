"""What models.yaml may say about a whisperx model besides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from servers.backends._whisper.options import WhisperOptions


class WhisperxOptions(WhisperOptions):
    align: dict[str, Path] = Field(default_factory=dict)
    """Folders of wav2vec2 CTC models by language, which give words their times."""
    align_resident: Annotated[int, Field(ge=1)] = 2
    """So many of them stay loaded; then the one that was used longest ago leaves."""
    diarization: Path | None = None
    """The folder of a pyannote pipeline with its models, which tells speakers apart."""
