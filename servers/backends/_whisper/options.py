"""What models.yaml may say about any model of Whisper's, and what a request may ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from servers.backends.base import Options
from servers.errors import InvalidRequest
from servers.speech import Noun, Speakers, TranscribeRequest

BATCH = {"cpu": 2, "cuda": 16}
"""Two full chunks at once take an eighth less of a CPU than one after the other, and more of them no less; of
short ones none do. And whoever is first waits for the last of a batch."""
Threshold = Annotated[float, Field(gt=0, lt=1)]
BatchSize = Annotated[int, Field(ge=1, le=128)]


@dataclass(frozen=True)
class DecodeOptions:
    """How a chunk is decoded, in Whisper's words. Chunks with the same options are decoded together."""

    language: str
    prompt: str | None = None
    temperature: float = 0.0
    translate: bool = False
    batch_size: int = 1
    words: bool = False
    """With the times of the words, by Whisper's own attention."""


class Vad(Noun):
    """Voice activity detection: somebody speaks from `onset` until the probability falls under `offset`.

    Stretches of speech that follow each other are one chunk, up to `chunk_s`: Whisper's window is 30 s.
    """

    onset: Threshold = 0.5
    offset: Threshold = 0.363
    chunk_s: Annotated[float, Field(ge=5, le=30)] = 30.0


class WhisperOptions(Options):
    """Every folder is a local one: nothing is downloaded at run time."""

    checkpoint: Path
    """A Whisper that ctranslate2 has converted."""
    compute_type: str = "auto"
    """How it computes, in ctranslate2's words; auto is float16 on a GPU that can, int8 on a CPU."""
    cpu_threads: Annotated[int, Field(ge=0)] = 0
    """Of a model on a CPU; 0 is one for each core."""
    batch_size: BatchSize | None = None
    """Chunks of up to 30 s that are decoded at once; halve it where the memory is too small. None is as in
    BATCH."""
    beam_size: Annotated[int, Field(ge=1, le=20)] = 5
    max_new_tokens: Annotated[int, Field(ge=1, le=444)] | None = None
    """At most so many tokens for one chunk; None is Whisper's own limit, 448 with the prompt."""
    language: str = "en"
    """Of a request that names none (seed 000 says "en"); "auto" detects which it is."""
    vad: Vad = Vad()

    def chunks_at_once(self, kind: str) -> int:
        """On a device of that kind."""
        return self.batch_size or BATCH[kind]


class WhisperRequest(TranscribeRequest):
    """A TranscribeRequest with what Whisper can do besides. None is the model's own setting."""

    words: bool | None = None
    """With the time of each word; None is yes, but for a translation."""
    translate: bool = False
    """Into English, without the times of words."""
    diarize: bool = False
    """Say who speaks when; `min_speakers` and `max_speakers` are what is known of how many there are."""
    min_speakers: Speakers | None = None
    max_speakers: Speakers | None = None
    batch_size: BatchSize | None = None
    vad_onset: Threshold | None = None
    vad_offset: Threshold | None = None

    def check(self) -> None:
        """Raises InvalidRequest, naming the field, for what contradicts itself."""
        if self.translate and self.words:
            raise InvalidRequest("a translation has no times of words", param="words")
        least, most = self.min_speakers, self.max_speakers
        for field, count in (("min_speakers", least), ("max_speakers", most)):
            if count is not None and not self.diarize:
                raise InvalidRequest(f"{field} is for diarize: true", param=field)
        if least is not None and most is not None and least > most:
            raise InvalidRequest(
                f"min_speakers {least} is more than max_speakers {most}", param="min_speakers"
            )
