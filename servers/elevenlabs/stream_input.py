"""GET /v1/text-to-speech/<voice>/stream-input and /multi-stream-input: WebSockets, text in and audio out."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from servers.elevenlabs import formats
from servers.elevenlabs.conversation import Conversation
from servers.elevenlabs.messages import Lenient
from servers.elevenlabs.spoken import Speaker
from servers.errors import InvalidRequest
from servers.jobs.request import IDEMPOTENCY_KEY, Requester
from servers.web import resume
from servers.web.auth import current_owner
from servers.web.door import SPEAKING
from servers.web.handshake import websocket
from servers.web.openapi import operation
from servers.web.requester import requests
from servers.web.resume import requested_start

KEY = "idempotency_key"
bp = Blueprint("elevenlabs_stream_input", __name__)
QUERY = {
    "model_id": "a model of models.yaml; eleven_… is what the server asks by default",
    "output_format": f"one of {', '.join(formats.FORMATS)}",
    "language_code": "of the speech",
    "seed": "the same one again makes the same audio again",
    "auto_mode": "true: each message is spoken as it comes",
    "inactivity_timeout": "seconds, up to 180, for which the client may say nothing",
    "sync_alignment": "true: times count from the start of the context's audio",
}
RESUMED = {KEY: "as the header Idempotency-Key, which a browser cannot send"} | resume.QUERY


class StreamQuery(Lenient):
    model_id: str | None = None
    language_code: str | None = None
    output_format: str = formats.DEFAULT
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    inactivity_timeout: Annotated[int, Field(ge=1, le=180)] = 20
    auto_mode: bool = False
    sync_alignment: bool = False
    enable_ssml_parsing: bool = False

    def check(self) -> None:
        """Raises InvalidRequest for what cannot be done."""
        if self.enable_ssml_parsing:
            raise InvalidRequest("SSML is not understood here", param="enable_ssml_parsing")


@bp.get("/v1/text-to-speech/<voice_id>/stream-input")
@operation("A WebSocket: text in, audio out", query=QUERY | RESUMED)
def stream_input(voice_id: str) -> Response:
    return _conversation(voice_id, has_contexts=False)


@bp.get("/v1/text-to-speech/<voice_id>/multi-stream-input")
@operation("A WebSocket for several texts, each in a context of its own", query=QUERY)
def multi_stream_input(voice_id: str) -> Response:
    return _conversation(voice_id, has_contexts=True)


def _conversation(voice_id: str, *, has_contexts: bool) -> Response:
    query = StreamQuery.parse(request.args.to_dict())
    query.check()
    format = formats.output_format(query.output_format)
    who = _requester(has_contexts)
    start = requested_start(format.codec, "output_format", who)
    door = requests(SPEAKING)
    speaker = Speaker.of(door, voice_id, query.model_id, query.language_code, query.seed, format, who.owner)
    conversation = Conversation(
        speaker,
        who,
        query.inactivity_timeout,
        is_automatic=query.auto_mode,
        is_one_clock=query.sync_alignment,
        has_contexts=has_contexts,
        start=start,
    )
    return websocket(conversation)


def _requester(has_contexts: bool) -> Requester:
    """Raises InvalidRequest for a key that cannot be one, and where there is more than one to go on with."""
    key = request.args.get(KEY, request.headers.get(IDEMPOTENCY_KEY))
    if key is not None and has_contexts:
        message = "what has several contexts cannot be gone on with: stream-input can"
        raise InvalidRequest(message, param=IDEMPOTENCY_KEY)
    return Requester(current_owner(), idempotency_key=key)
