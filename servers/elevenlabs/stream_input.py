"""GET /v1/text-to-speech/<voice>/stream-input and /multi-stream-input: WebSockets, text in and audio out."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from servers.elevenlabs import formats
from servers.elevenlabs.conversation import Conversation
from servers.elevenlabs.spoken import Speaker
from servers.errors import (
    EngineUnavailable,
    Forbidden,
    InvalidRequest,
    MissingExtra,
    UnknownModel,
    UnknownVoice,
    UpgradeRequired,
)
from servers.jobs.request import IDEMPOTENCY_KEY, Requester
from servers.web.auth import current_owner
from servers.web.door import SPEAKING
from servers.web.handshake import websocket
from servers.web.openapi import operation
from servers.web.query import Query
from servers.web.requester import requests
from servers.web.resume import ResumedQuery, requested_start

KEY = "idempotency_key"
bp = Blueprint("elevenlabs_stream_input", __name__)
NOT_HERE = (UpgradeRequired, Forbidden, UnknownModel, UnknownVoice, EngineUnavailable, MissingExtra)
"""Why there is no conversation; what goes wrong in one is told as docs/websocket.md has it."""


class StreamQuery(Query):
    model_id: Annotated[
        str | None, Field(description="a model of models.yaml; eleven_… is what the server asks by default")
    ] = None
    language_code: Annotated[str | None, Field(description="of the speech")] = None
    output_format: formats.Name = formats.DEFAULT
    seed: Annotated[
        int | None, Field(ge=0, lt=2**63, description="the same one again makes the same audio again")
    ] = None
    inactivity_timeout: Annotated[
        int, Field(ge=1, le=180, description="seconds for which the client may say nothing")
    ] = 20
    auto_mode: Annotated[bool, Field(description="each message is spoken as it comes")] = False
    sync_alignment: Annotated[
        bool, Field(description="times count from the start of the context's audio")
    ] = False
    enable_ssml_parsing: Annotated[bool, Field(description="not possible here: only false is")] = False

    def check(self) -> None:
        """Raises InvalidRequest for what cannot be done."""
        if self.enable_ssml_parsing:
            raise InvalidRequest("SSML is not understood here", param="enable_ssml_parsing")


class ResumedStreamQuery(StreamQuery, ResumedQuery):
    idempotency_key: Annotated[
        str | None, Field(description=f"as the header {IDEMPOTENCY_KEY}, which a browser cannot send")
    ] = None


conversation = partial(operation, replies=(), successes=(HTTPStatus.SWITCHING_PROTOCOLS,), errors=NOT_HERE)


@bp.get("/v1/text-to-speech/<voice_id>/stream-input")
@conversation("A WebSocket: text in, audio out", query=ResumedStreamQuery)
def stream_input(voice_id: str) -> Response:
    return _conversation(voice_id, has_contexts=False)


@bp.get("/v1/text-to-speech/<voice_id>/multi-stream-input")
@conversation("A WebSocket for several texts, each in a context of its own")
def multi_stream_input(voice_id: str) -> Response:
    return _conversation(voice_id, has_contexts=True)


def _conversation(voice_id: str, *, has_contexts: bool) -> Response:
    query = StreamQuery.of_request()
    query.check()
    format = formats.output_format(query.output_format)
    who = _requester(has_contexts)
    start = requested_start(format.codec, "output_format", who)
    door = requests(SPEAKING)
    speaker = Speaker.of(door, voice_id, query.model_id, query.language_code, query.seed, format, who.owner)
    talk = Conversation(
        speaker,
        who,
        query.inactivity_timeout,
        is_automatic=query.auto_mode,
        is_one_clock=query.sync_alignment,
        has_contexts=has_contexts,
        start=start,
    )
    return websocket(talk)


def _requester(has_contexts: bool) -> Requester:
    """Raises InvalidRequest for a key that cannot be one, and where there is more than one to go on with."""
    key = request.args.get(KEY, request.headers.get(IDEMPOTENCY_KEY))
    if key is not None and has_contexts:
        message = "what has several contexts cannot be gone on with: stream-input can"
        raise InvalidRequest(message, param=IDEMPOTENCY_KEY)
    return Requester(current_owner(), idempotency_key=key)
