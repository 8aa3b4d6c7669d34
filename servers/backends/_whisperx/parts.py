"""What a loaded model is made of, and what it can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from servers.backends._whisperx.ear import Ear
from servers.backends._whisperx.languages import is_auto
from servers.backends._whisperx.loading import Aligners
from servers.backends._whisperx.options import WhisperxOptions, WhisperxRecording
from servers.backends._whisperx.speakers import Diarizer
from servers.errors import AudioTooLong, InvalidRequest

DIARIZED_S = 4 * 3600.0
"""Speakers are told apart in a whole recording at once, which has to fit into the memory."""


@dataclass(frozen=True)
class Parts:
    """`diarizer` is None where no pipeline is configured."""

    ear: Ear
    aligners: Aligners
    diarizer: Diarizer | None
    options: WhisperxOptions

    def language(self, wanted: str | None) -> str | None:
        """Whisper's code, None where it is to be heard. Raises InvalidRequest."""
        language = wanted or self.options.language
        return None if is_auto(language) else self.ear.code(language)


def check(recording: WhisperxRecording, parts: Parts, duration_s: float) -> None:
    """Raises InvalidRequest, saying what is possible, for what contradicts itself or this model cannot do."""
    if recording.translate and recording.words:
        raise InvalidRequest("a translation has no times of words", param="words")
    if recording.translate and not parts.ear.multilingual:
        raise InvalidRequest("this model hears English only: it cannot translate", param="translate")
    if recording.diarize:
        _check_diarization(parts, duration_s)
    _check_speakers(recording)


def _check_diarization(parts: Parts, duration_s: float) -> None:
    if parts.diarizer is None:
        raise InvalidRequest(
            "this model cannot tell speakers apart: its entry in models.yaml names no pipeline's folder; "
            "diarization: FOLDER does",
            param="diarize",
        )
    if duration_s > DIARIZED_S:
        hours = DIARIZED_S / 3600
        raise AudioTooLong(f"speakers can be told apart in at most {hours:g} hours of audio", param="diarize")


def _check_speakers(recording: WhisperxRecording) -> None:
    least, most = recording.min_speakers, recording.max_speakers
    for field, count in (("min_speakers", least), ("max_speakers", most)):
        if count is not None and not recording.diarize:
            raise InvalidRequest(f"{field} is for diarize: true", param=field)
    if least is not None and most is not None and least > most:
        raise InvalidRequest(f"min_speakers {least} is more than max_speakers {most}", param="min_speakers")


def check_alignment(recording: WhisperxRecording, parts: Parts, language: str) -> None:
    """Raises InvalidRequest where times of words are asked for in a language that has no alignment model."""
    if recording.words:
        parts.ear.code(language, parts.aligners.languages, "alignment model")
