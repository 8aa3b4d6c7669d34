"""POST /v1/voices makes a voice of a recording, for the key that sends it; DELETE /v1/voices/<voice_id>."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field, StringConstraints

from servers.audio.encode import encode
from servers.audio.pcm import to_int16
from servers.audio.reference import clip_length_s, clip_samples
from servers.cloned_voices import NAME, ClonedVoice
from servers.errors import (
    AudioTooLong,
    Conflict,
    InvalidRequest,
    NotFound,
    StorageFailed,
    UnknownModel,
    UnsupportedAudio,
)
from servers.jobs.requests import Requests
from servers.limits import check_texts
from servers.openai.names import DEFAULT
from servers.settings import settings
from servers.tts.voices import one_voice
from servers.web.auth import current_owner
from servers.web.openapi import operation
from servers.web.recordings import Recording, audio_stream, form_or_json
from servers.web.requester import requests

bp = Blueprint("cloned", __name__)
SAMPLE_RATE = 24_000
"""Of the clips as they are kept, in Hz: what Qwen3-TTS listens at."""
OF_MAKING = (UnsupportedAudio, AudioTooLong, UnknownModel, Conflict, StorageFailed)
Line = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"\w")]
"""There is a word in it."""


class NewVoice(Recording):
    """The body, or a form whose `file` is the recording."""

    name: Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
    reference_text: Line
    """The words that are said in it."""
    consent: Line = Field(
        description="how whoever is heard has agreed to this, in words; it is kept with the voice"
    )
    language: Line | None = None
    description: Line | None = None


@bp.post("/v1/voices")
@operation("Make a voice of a recording", body=NewVoice, form=NewVoice, errors=OF_MAKING)
def add() -> dict[str, Any]:
    asked, field = form_or_json(NewVoice)
    door, owner = requests(), current_owner()
    for name in ("reference_text", "consent", "language", "description"):
        check_texts(getattr(asked, name), door.limits, name)
    if len(asked.consent.split()) == 1:
        message = "'consent' says in words how whoever is heard has agreed, as \"It is my own voice.\""
        raise InvalidRequest(message, param="consent")
    _check_free(asked.name, door)
    door.cloning.model()
    voice, clip = _voice(asked, field)
    door.cloned_voices.add(owner, voice, clip)
    return one_voice(voice.name, door)


@bp.delete("/v1/voices/<voice_id>")
@operation("Remove a voice that was made here, and its recording", errors=(NotFound, StorageFailed))
def remove(voice_id: str) -> dict[str, Any]:
    requests().cloned_voices.remove(current_owner(), voice_id)
    return {"id": voice_id, "deleted": True, "status": "ok"}


def _voice(asked: NewVoice, field: str) -> tuple[ClonedVoice, bytes]:
    """And its clip as it is kept. Raises what is wrong with the recording."""
    stream = audio_stream(asked, field)
    duration_s = clip_length_s(stream, field)
    clip = encode(to_int16(clip_samples(stream, SAMPLE_RATE, field)), SAMPLE_RATE, "wav")
    about = asked.model_dump(include={"name", "reference_text", "consent", "language", "description"})
    made = ClonedVoice(
        clip=f"{sha256(clip).hexdigest()[:32]}.wav", duration_s=duration_s, created_at=time.time(), **about
    )
    return made, clip


def _check_free(name: str, door: Requests) -> None:
    """Raises InvalidRequest for a name that means another voice already."""
    aliases = {DEFAULT, *settings().openai.voices}
    taken = name.casefold() in (alias.casefold() for alias in aliases)
    for candidate in door.preferred.candidates:
        described = candidate.description()
        if described is not None and described.about.voices and described.has_voice(name):
            taken = True
    if taken:
        raise InvalidRequest(f"{name!r} is another voice's name here; choose one of your own", param="name")
