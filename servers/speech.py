"""The nouns: what is said, what is heard, and the models that do it. No Flask, no torch.

Times are seconds from the start of the audio, as floats. Languages are BCP-47 tags ("en", "en-US").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from servers.errors import InvalidRequest

if TYPE_CHECKING:  # who only speaks of samples need not wait for numpy: the command line
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.int16] | NDArray[np.float32]"
"""Mono audio, shape (n,): int16 at full scale, or float32 in −1…1."""

Text = Annotated[str, StringConstraints(strip_whitespace=True)]
"""There may be nothing in it that can be said: that is one text's error, and not the whole request's."""

Prompt = Annotated[str, StringConstraints(max_length=10_000)]
Temperature = Annotated[float, Field(ge=0, le=1)]
Speed = Annotated[float, Field(ge=0.25, le=4.0)]
Speakers = Annotated[int, Field(ge=1, le=50)]
"""How many speak in a recording."""


class Noun(BaseModel):
    """A value that crosses a wire as JSON: immutable, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def parse(cls, data: Mapping[str, Any], within: str = "", *, strict: bool | None = None) -> Self:
        """The noun in `data`, or InvalidRequest naming the first field at fault as `within.field`.

        `strict` is for what has types of its own, as JSON has: "1" and true are no numbers then.
        """
        try:
            return cls.model_validate(data, strict=strict)
        except ValidationError as error:
            raise _invalid(error, sorted(cls.model_fields), within) from None


def _invalid(error: ValidationError, known: list[str], within: str) -> InvalidRequest:
    fault = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in ((within,) if within else ()) + fault["loc"])
    if fault["type"] == "extra_forbidden":
        return InvalidRequest(f"unknown field {param!r}; known are {', '.join(known)}", param=param)
    if fault["type"] == "missing":
        return InvalidRequest(f"{param!r} is required", param=param)
    return InvalidRequest(f"{param!r}: {fault['msg']}", param=param or None)


class Word(Noun):
    """A timed word. `score` is the confidence in 0…1, None where the source has none."""

    word: str
    start: float
    end: float
    score: float | None = None
    interpolated: bool = False
    """Its times are what its neighbours leave: it is a dash, or in letters that the model does not know."""
    speaker: str | None = None
    """Who says it, where the speakers were told apart: a label, not a name."""


class Segment(Noun):
    """A timed stretch of a transcript: a sentence or a run of speech between pauses.

    What a recogniser says of the run of speech that the segment is part of, None where it does not say:
    `avg_logprob`, the mean log probability of its tokens; `no_speech_prob`, that nobody speaks in it; and
    `compression_ratio`, of its text by zlib: above 2.4 it repeats itself.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None


class Transcript(Noun):
    """What was said in a recording. `words` are the words of all segments in order."""

    text: str
    language: str
    duration_s: float
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()


class Alignment(Transcript):
    """A text and when its words are said; `servers.text.alignment` says how it is judged."""

    score: float | None = None
    """How well the whole text fits the recording, in 0…1; None where the source has no scores."""
    warning: str | None = None
    """A sentence for people where it fits badly, and the times are not to be trusted."""


class Speech(Noun):
    """The end of a synthesis: what is known once the last chunk was made."""

    words: tuple[Word, ...] = ()
    finish_reason: Literal["stop", "length"] = "stop"


class Voice(Noun):
    """Who can speak: `name` is what a client sends as `voice`."""

    name: str
    languages: tuple[str, ...] = ()
    gender: Literal["female", "male"] | None = None
    description: str | None = None
    licence: str | None = None
    """Of the voice itself, as its makers call it; None where nobody has said."""


class Utterance(Noun):
    """One text to speak in one go: the payload of a synthesize job. A backend may add fields of its own."""

    task: Literal["synthesize"] = "synthesize"
    text: Text
    voice: str | None = None
    language: str | None = None
    instruct: str | None = None
    seed: int | None = None
    speed: Speed = 1.0
    """Times the voice's own tempo."""


class CloningUtterance(Utterance):
    """The same for a backend that can speak with the voice of a clip."""

    reference_audio_path: Path | None = None
    """The clip whose voice is cloned."""
    reference_text: str | None = None
    """The words of the clip."""


class TranscribeRequest(Noun):
    """One audio file to transcribe: the payload of a transcribe job. A backend may add fields of its own."""

    task: Literal["transcribe"] = "transcribe"
    audio_path: Path
    language: str | None = None
    prompt: Prompt | None = None
    """Words as they are spelt in what was said before, for a model that looks at them."""
    temperature: Temperature | None = None
    """0 is the likeliest text, more is bolder guesses, for a model that can; None is the model's own."""


class AlignRequest(Noun):
    """One audio file and the text that was read in it: the payload of an align job."""

    task: Literal["align"] = "align"
    audio_path: Path
    text: Text
    language: str | None = None


def is_audio(field: str) -> bool:
    """Whether a request's field of that name, a path, is an audio file's: they all end in audio_path."""
    return field.endswith("audio_path")


@dataclass(frozen=True)
class Chunk:
    """A run of audio as it came: mono samples at the model's own rate.

    `words` are words of the text whose times are known by now, in the time of the whole audio, each given
    once and in order; most models know them only at the end.
    """

    samples: Samples
    sample_rate: int
    words: tuple[Word, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Progress:
    """How far a request is: a fraction in 0…1, and what else its model can say of that, as JSON has it."""

    fraction: float
    details: Mapping[str, Any] | None = None


class ModelSpec(Noun):
    """A named entry of models.yaml: `options` are the backend's own settings for it."""

    backend: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    vram_mb: int = 0
    """The device memory it takes, as far as the budget is concerned."""
    pin: bool = False
    """Loaded at the start, and never evicted."""
    preload: bool = False
    """Loaded at the start."""
    venv: Path | None = None
    """The virtual environment whose Python runs it; None is the engine's own."""

    @property
    def key(self) -> tuple[str, str]:
        return self.backend, self.name
