"""POST /api/speech and /api/tts-generate, GET /api/voices: what the server that speaks does for a visitor."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from pydantic import ValidationError

from servers.audio.encode import FORMATS
from servers.errors import Forbidden
from servers.openai.server_sent_events import EVENTS
from servers.openai.speech_body import SpeechBody
from servers.proxy.allowance import Use
from servers.proxy.answers import Voices
from servers.proxy.bodies import MEGABYTE, MOST_JSON_BYTES, length_of, visitors_json
from servers.proxy.failures import OF_ASKING, OF_WORK
from servers.proxy.forward import Errand, forward, passed_on
from servers.proxy.streams import in_hand
from servers.proxy.upstream import upstreams
from servers.web.failures import OF_LOADING, OF_SPEAKING
from servers.web.lines import LINES
from servers.web.openapi import JSON, operation
from servers.web.replies import dumps
from servers.web.requester import NAMED
from servers.web.resume import FROM, LAST_EVENT, ResumedQuery

bp = Blueprint("speech", __name__)
MOST_SPEECH_BYTES = 4 * MEGABYTE
"""Of a body without a recording: no text within the limits is so long."""
BASE64_GROWS = 4 / 3
SPOKEN = ("audio/", EVENTS.partition(";")[0], JSON)
"""JSON is about what went into a bucket."""
BATCH = (JSON, LINES)
OF_VISITORS = (*OF_WORK, *OF_SPEAKING, Forbidden)


@bp.post("/api/speech")
@operation(
    "Speak a text, sent as it is made: as /v1/audio/speech",
    body=SpeechBody,
    query=ResumedQuery,
    headers=NAMED | LAST_EVENT,
    replies=(*(format.content_type for format in FORMATS.values()), EVENTS, JSON),
    errors=OF_VISITORS,
)
def speech() -> Response:
    request.max_content_length = MOST_SPEECH_BYTES
    body = visitors_json()
    start = ResumedQuery.of_request().start
    query = "" if start is None else f"?{urlencode({FROM: start})}"
    return _spoken(f"/v1/audio/speech{query}", SPOKEN, body, Use(characters=length_of(body.get("input"))))


@bp.post("/api/tts-generate")
@bp.post("/api/generate_batch")
@operation(
    "Speak texts, all in one reply: as /generate_batch", headers=NAMED, replies=BATCH, errors=OF_VISITORS
)
def tts_generate() -> Response:
    request.max_content_length = MOST_JSON_BYTES
    body = visitors_json()
    texts = body.get("texts")
    characters = sum(map(length_of, texts)) if isinstance(texts, list) else 0
    clip_mb = length_of(body.get("reference_audio")) / BASE64_GROWS / MEGABYTE
    return _spoken("/generate_batch", BATCH, body, Use(characters, clip_mb))


@bp.get("/api/voices")
@operation("Who can speak: as /v1/voices", errors=(*OF_ASKING, *OF_LOADING))
def voices() -> dict[str, Any] | Response:
    model = request.args.get("model")
    query = "" if model is None else f"?{urlencode({'model': model})}"
    with in_hand():
        answer = upstreams().tts.request("GET", f"/v1/voices{query}")
    if answer.status != 200:
        return passed_on(answer)
    try:
        return Voices.model_validate(answer.json()).model_dump()
    except ValidationError as error:
        raise answer.not_ours() from error


def _spoken(path: str, kinds: Collection[str], fields: dict[str, Any], use: Use) -> Response:
    body = dumps(fields)
    return forward(Errand(upstreams().tts, path, kinds, body, JSON, len(body), use))
