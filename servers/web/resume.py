"""From which sample on a stream is wanted that was broken off: `from=`, or `Last-Event-ID` after an event."""

from __future__ import annotations

from flask import request

from servers.errors import InvalidRequest
from servers.jobs.request import IDEMPOTENCY_KEY, Requester

BYTES_PER_SAMPLE = 2
POSITIONED = ("pcm", "wav")
"""Formats of which a reply can begin at any sample."""
FROM, LAST_EVENT_ID = "from", "Last-Event-ID"
QUERY = {FROM: "the sample from which it is gone on with, of a request with an Idempotency-Key"}


def requested_start(format: str, param: str, who: Requester) -> int:
    """The sample of the current request; 0 where it names none. `param` is what the client calls the format.

    Raises InvalidRequest, also where the request has no name by which it could be told to be the same.
    """
    name, text = (FROM, request.args[FROM]) if FROM in request.args else _last_event()
    if text is None:
        return 0
    if not text.isdecimal():
        raise InvalidRequest(f"{name!r} is a number of samples, and not {text[:40]!r}", param=name)
    if who.idempotency_key is None:
        message = f"{name!r} goes on with a request that was sent before: send its {IDEMPOTENCY_KEY} again"
        raise InvalidRequest(message, param=IDEMPOTENCY_KEY)
    if int(text) and format not in POSITIONED:
        raise InvalidRequest(
            f"{name!r} is possible with {' and '.join(POSITIONED)}, and not with {format}", param=param
        )
    return int(text)


def _last_event() -> tuple[str, str | None]:
    return LAST_EVENT_ID, request.headers.get(LAST_EVENT_ID)
