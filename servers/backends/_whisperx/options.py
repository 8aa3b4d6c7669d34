"""What models.yaml may say about a whisperx model, and what a request may ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from servers.backends.base import Options
from servers.speech import Noun, Speakers, TranscribeRequest

Threshold = Annotated[float, Field(gt=0, lt=1)]
BatchSize = Annotated[int, Field(ge=1, le=128)]


class Vad(Noun):
    """Where somebody speaks: from `onset` until the probability falls under `offset`.

    Stretches that follow each other are heard together, up to `chunk_s`: Whisper hears 30 s at a time.
    """

    onset: Threshold = 0.5
    offset: Threshold = 0.363
    chunk_s: Annotated[float, Field(ge=5, le=30)] = 30.0


class WhisperxOptions(Options):
    """Every folder is a local one: nothing is downloaded at run time."""

    checkpoint: Path
    """A Whisper that ctranslate2 has converted."""
    compute_type: str = "auto"
    """How it computes, in ctranslate2's words; auto is float16 on a GPU that can, int8 on a CPU."""
    cpu_threads: Annotated[int, Field(ge=0)] = 0
    """Of a model on a CPU; 0 is one for each core."""
    batch_size: BatchSize = 16
    """Stretches of up to 30 s that are heard at once; halve it where the memory is too small."""
    beam_size: Annotated[int, Field(ge=1, le=20)] = 5
    max_new_tokens: Annotated[int, Field(ge=1, le=444)] | None = None
    """At most so many tokens for one stretch; None is Whisper's own limit, 448 with the prompt."""
    language: str = "en"
    """Of a request that names none (seed 000 says "en"); "auto" hears which it is."""
    vad: Vad = Vad()
    align: dict[str, Path] = Field(default_factory=dict)
    """Folders of wav2vec2 CTC models by language, which give words their times."""
    align_resident: Annotated[int, Field(ge=1)] = 2
    """So many of them stay loaded; then the one that was used longest ago leaves."""
    diarization: Path | None = None
    """The folder of a pyannote pipeline with its models, which tells speakers apart."""


class WhisperxRecording(TranscribeRequest):
    """A TranscribeRequest with what WhisperX can do besides. None is the model's own setting."""

    words: bool | None = None
    """With the time of each word; None is yes where there is an alignment model for the language."""
    translate: bool = False
    """Into English, without the times of words."""
    diarize: bool = False
    """Say who speaks when; `min_speakers` and `max_speakers` are what is known of how many there are."""
    min_speakers: Speakers | None = None
    max_speakers: Speakers | None = None
    batch_size: BatchSize | None = None
    vad_onset: Threshold | None = None
    vad_offset: Threshold | None = None
