"""POST /api/transcribe and /api/align: what the server that listens does for a visitor."""

from __future__ import annotations

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
REPLIES = tuple(dict.fromkeys((JSON, *CONTENT_TYPES.values(), LINES)))
KINDS = tuple(kind.partition(";")[0] for kind in REPLIES)
OF_VISITORS = (*OF_WORK, *OF_LISTENING, Forbidden)


@bp.post("/api/transcribe")
@operation("What is said in a recording: as /transcribe", headers=NAMED, replies=REPLIES, errors=OF_VISITORS)
def transcribe() -> Response:
    return _heard("/transcribe")


@bp.post("/api/align")
@operation("When each word of a text is said: as /align", headers=NAMED, replies=REPLIES, errors=OF_VISITORS)
def align() -> Response:
    return _heard("/align")


def _heard(path: str) -> Response:
    """From a form or from JSON, as it came."""
    upstream = upstreams().whisperx
    if request.mimetype == FORM:
        form = Form()
        use = Use(length_of(form.fields.get("text")), sent_mb())
        body = form.pieces()
        return forward(Errand(upstream, path, KINDS, body, form.content_type, form.length, use))
    request.max_content_length = MOST_JSON_BYTES
    fields = visitors_json()
    content = dumps(fields)
    use = Use(length_of(fields.get("text")), sent_mb())
    return forward(Errand(upstream, path, KINDS, content, JSON, len(content), use))
