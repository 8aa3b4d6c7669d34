"""Replies of one JSON object a line, each sent as soon as it is there, to clients that accept them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Response, request

LINES = "application/x-ndjson"
"""What such a client accepts: it has to name it, for */* is what everybody accepts."""


def accepts_lines() -> bool:
    """Whether the client of the current request does."""
    return LINES in request.accept_mimetypes.values()


def lines_reply(lines: Iterable[bytes], close: Callable[[], object]) -> Response:
    """`close` is called at the end, also where nobody has read the first line."""
    response = Response(lines, mimetype=LINES)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"  # nginx
    response.call_on_close(close)
    return response
