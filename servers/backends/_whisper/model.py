"""What a loaded model is made of, and what it can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from servers.backends._whisper.chunks import Audio
from servers.backends._whisper.languages import is_auto
from servers.backends._whisper.options import WhisperOptions, WhisperRequest
from servers.backends._whisper.recogniser import Recogniser
from servers.backends._whisper.speakers import Diarizer
from servers.backends._whisper.words import Aligned
from servers.errors import AudioTooLong, InvalidRequest

DIARIZED_S = 4 * 3600.0
"""Speakers are told apart in a whole recording at once, which has to fit into the memory."""


class ChunkAligner(Protocol):
    """A model of its own that tells when the words of one language are said."""

    def align_chunk(self, text: str, samples: Audio) -> Aligned: ...


class Aligners(Protocol):
    """The alignment models, by language."""

    @property
    def languages(self) -> Sequence[str]: ...

    def get(self, language: str) -> ChunkAligner:
        """That of a language among `languages`. Raises ModelLoadFailed."""


class NoAligners:
    """Where Whisper's own attention times the words of every language."""

    languages: Sequence[str] = ()

    def get(self, language: str) -> ChunkAligner:
        raise KeyError(language)


@dataclass(frozen=True)
class LoadedModel:
    """What a model is made of, and what it can be asked for; `diarizer` is None where none is configured."""

    recogniser: Recogniser
    aligners: Aligners
    diarizer: Diarizer | None
    options: WhisperOptions
    batch_size: int

    def language(self, wanted: str | None) -> str | None:
        """Whisper's code, None where it is to be detected. Raises InvalidRequest."""
        language = wanted or self.options.language
        return None if is_auto(language) else self.recogniser.code(language)

    def check(self, request: WhisperRequest, duration_s: float) -> None:
        """Raises InvalidRequest, saying what is possible, for what this model cannot do."""
        request.check()
        if request.translate and not self.recogniser.multilingual:
            raise InvalidRequest("this model knows English only: it cannot translate", param="translate")
        if request.diarize:
            self._check_diarization(duration_s)

    def _check_diarization(self, duration_s: float) -> None:
        if self.diarizer is None:
            raise InvalidRequest(
                "this model cannot tell speakers apart: its entry in models.yaml names no pipeline's folder; "
                "diarization: FOLDER does",
                param="diarize",
            )
        if duration_s > DIARIZED_S:
            hours = DIARIZED_S / 3600
            raise AudioTooLong(
                f"speakers can be told apart in at most {hours:g} hours of audio", param="diarize"
            )
