"""POST /api/transcribe, /api/align and their batches: what the server that listens does for a visitor.

Programs that were written for that server find it below /api/whisperx.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Blueprint, Response, request

from servers.errors import Forbidden
from servers.proxy.allowance import Use
from servers.proxy.bodies import MOST_JSON_BYTES, Form, length_of, sent_mb, visitors_json
from servers.proxy.failures import OF_WORK
from servers.proxy.forward import Errand, forward
from servers.proxy.upstream import upstreams
from servers.text.subtitles import CONTENT_TYPES
from servers.web.failures import OF_LISTENING
from servers.web.lines import LINES
from servers.web.openapi import FORM, JSON, operation
from servers.web.replies import dumps
from servers.web.requester import NAMED

bp = Blueprint("listening", __name__)
BATCH = (JSON, LINES)
REPLIES = tuple(dict.fromkeys((JSON, *CONTENT_TYPES.values(), LINES)))
KINDS = tuple(kind.partition(";")[0] for kind in REPLIES)
OF_VISITORS = (*OF_WORK, *OF_LISTENING, Forbidden)


@bp.post("/api/transcribe")
@bp.post("/api/whisperx/transcribe")
@operation("What is said in a recording: as /transcribe", headers=NAMED, replies=REPLIES, errors=OF_VISITORS)
def transcribe() -> Response:
    return _heard("/transcribe")


@bp.post("/api/align")
@bp.post("/api/whisperx/align")
@operation("When each word of a text is said: as /align", headers=NAMED, replies=REPLIES, errors=OF_VISITORS)
def align() -> Response:
    return _heard("/align")


@bp.post("/api/whisperx/transcribe_batch")
@operation("The same of several: as /transcribe_batch", headers=NAMED, replies=BATCH, errors=OF_VISITORS)
def transcribe_batch() -> Response:
    return _batch("/transcribe_batch")


@bp.post("/api/whisperx/align_batch")
@operation("The same of several: as /align_batch", headers=NAMED, replies=BATCH, errors=OF_VISITORS)
def align_batch() -> Response:
    return _batch("/align_batch")


def _heard(path: str) -> Response:
    """From a form or from JSON, as it came."""
    if request.mimetype == FORM:
        form = Form()
        use = Use(length_of(form.fields.get("text")), sent_mb())
        body = form.pieces()
        upstream = upstreams().whisperx
        return forward(Errand(upstream, path, KINDS, body, form.content_type, form.length, use))
    fields = _json()
    return _sent(path, KINDS, fields, length_of(fields.get("text")))


def _batch(path: str) -> Response:
    fields = _json()
    items = fields.get("items")
    texts = [item.get("text") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return _sent(path, BATCH, fields, sum(map(length_of, texts)))


def _json() -> dict[str, Any]:
    request.max_content_length = MOST_JSON_BYTES
    return visitors_json()


def _sent(path: str, kinds: Collection[str], fields: dict[str, Any], characters: int) -> Response:
    content = dumps(fields)
    use = Use(characters, sent_mb())
    return forward(Errand(upstreams().whisperx, path, kinds, content, JSON, len(content), use))
