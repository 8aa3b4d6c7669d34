"""Server-sent events as OpenAI's API sends them: the type is in the data, and each is one object.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from typing import Any

from servers.errors import SkylarkError
from servers.web.errors import body
from servers.web.replies import dumps

EVENTS = "text/event-stream; charset=utf-8"


def event(data: dict[str, Any], position: int | None = None) -> bytes:
    """One event; `position` is its id, which a client sends back as Last-Event-ID to go on after it."""
    name = b"" if position is None else b"id: %d\n" % position
    return name + b"data: " + dumps(data) + b"\n\n"


def failure(error: SkylarkError, request_id: str) -> bytes:
    """The last event of a stream that breaks off."""
    return event({"type": "error", "error": body(error, request_id)})
