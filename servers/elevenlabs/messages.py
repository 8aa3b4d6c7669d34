"""The messages of ElevenLabs' WebSockets. What a client sends besides is let pass: it means nothing here."""

from __future__ import annotations

from typing import Annotated, Any, Self

import pybase64
from pydantic import ConfigDict, Field, StringConstraints

from servers.elevenlabs.spoken import Piece
from servers.errors import SkylarkError
from servers.speech import Noun, Speed
from servers.web.body import as_object
from servers.web.replies import dumps
from servers.web.websocket import DEFECT, POLICY


class Lenient(Noun):
    """A value of a client that was made for another's server: unknown fields are let pass."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class VoiceSettings(Lenient):
    speed: Speed | None = None


class Message(Lenient):
    """What a client says. `context_id` is of a WebSocket with several contexts."""

    text: str | None = None
    context_id: Annotated[str, StringConstraints(max_length=200)] | None = None
    voice_settings: VoiceSettings | None = None
    try_trigger_generation: bool | None = Field(default=None)
    flush: bool | None = None
    close_context: bool | None = None
    close_socket: bool | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises MalformedBody and InvalidRequest."""
        return cls.parse(as_object(text.encode("utf-8", "surrogatepass"), "the message"))


def audio(piece: Piece, before_ms: int | None, before: int, context: dict[str, Any]) -> str:
    """`before` are the samples of the context that came before the utterance."""
    place = {} if piece.start is None else {"startSample": before + piece.start}
    alignment = None if piece.alignment is None else piece.alignment.of_message(before_ms)
    message = {
        "audio": pybase64.b64encode_as_string(piece.audio),
        "isFinal": None,
        "normalizedAlignment": alignment,
        "alignment": alignment,
    }
    return dumps(message | place | context).decode()


def final(context: dict[str, Any]) -> str:
    return dumps({"audio": None, "isFinal": True} | context).decode()


def failure(error: SkylarkError, context: dict[str, Any]) -> str:
    return refusal(close_code(error), error.code, error.message, context | {"param": error.param})


def refusal(code: int, error: str, message: str, more: dict[str, Any]) -> str:
    return dumps({"message": message, "error": error, "code": code} | more).decode()


def close_code(error: SkylarkError) -> int:
    return POLICY if error.http_status < 500 else DEFECT
