"""What an align request of any backend with a Whisper does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

from servers.audio.files import blocks, probe
from servers.backends._whisper.chunks import SAMPLE_RATE
from servers.backends._whisper.forced import BLOCK_S, ForcedAligner
from servers.backends._whisper.languages import tag
from servers.backends._whisper.model import LoadedModel
from servers.backends._whisper.transcription import LEAST_S
from servers.backends._whisper.words import Aligned
from servers.errors import InvalidRequest
from servers.speech import Alignment, Progress
from servers.text.alignment import alignment


def aligned_by_attention(
    model: LoadedModel, text: str, language: str, audio: BinaryIO
) -> Iterator[Progress | Alignment]:
    for item in ForcedAligner(model).align(text, language, audio, expected_s(audio)):
        yield Progress(item) if isinstance(item, float) else alignment_of(text, language, item)


def spoken_language(model: LoadedModel, wanted: str | None, audio: BinaryIO) -> str:
    """Whisper's code, detected in the beginning where it is not named. Raises InvalidRequest."""
    language = model.language(wanted)
    if language is not None:
        return language
    with closing(blocks(audio, SAMPLE_RATE, BLOCK_S)) as beginning:
        return model.recogniser.detect_language(next(beginning))


def expected_s(audio: BinaryIO) -> float:
    """How long the recording is. Raises InvalidRequest where it is too short to hold a word."""
    duration_s = probe(audio).duration_s
    if duration_s < LEAST_S:
        raise InvalidRequest(f"the audio is too short to hold a word: {duration_s:.3f} s", param="text")
    return duration_s


def alignment_of(text: str, language: str, aligned: Aligned) -> Alignment:
    return alignment(text, tag(language), aligned.duration_s, aligned.words, aligned.begins, aligned.unread_s)
