"""From which sample on a stream is wanted that was broken off: `from=`, or `Last-Event-ID` after an event."""

from __future__ import annotations

import re
from typing import Annotated

from flask import request
from pydantic import Field

from servers.errors import InvalidRequest
from servers.jobs.request import IDEMPOTENCY_KEY, Requester
from servers.web.query import Query

BYTES_PER_SAMPLE = 2
POSITIONED = ("pcm", "wav")
"""Formats of which a reply can begin at any sample."""
FROM, LAST_EVENT_ID = "from", "Last-Event-ID"
LARGEST = 10**12
"""No audio has so many samples."""
LAST_EVENT = {
    LAST_EVENT_ID: {
        "type": "string",
        "pattern": "^[0-9]{1,12}$",
        "description": "the id of the last event that the client has: it is gone on with after it",
    }
}


class ResumedQuery(Query):
    start: Annotated[
        int | None,
        Field(
            alias=FROM,
            ge=0,
            lt=LARGEST,
            description="the sample from which it is gone on with, of a request with an Idempotency-Key",
        ),
    ] = None


def requested_start(format: str, param: str, who: Requester) -> int:
    """The sample of the current request; 0 where it names none. `param` is what the client calls the format.

    Raises InvalidRequest, also where the request has no name by which it could be told to be the same.
    """
    name, start = FROM, ResumedQuery.of_request().start
    if start is None:
        name, start = LAST_EVENT_ID, _last_event()
    if start is None:
        return 0
    if who.idempotency_key is None:
        message = f"{name!r} goes on with a request that was sent before: send its {IDEMPOTENCY_KEY} again"
        raise InvalidRequest(message, param=IDEMPOTENCY_KEY)
    if start and format not in POSITIONED:
        raise InvalidRequest(
            f"{name!r} is possible with {' and '.join(POSITIONED)}, and not with {format}", param=param
        )
    return start


def _last_event() -> int | None:
    """Raises InvalidRequest."""
    text = request.headers.get(LAST_EVENT_ID)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,12}", text):
        message = f"{LAST_EVENT_ID!r} is a number of samples, and not {text[:40]!r}"
        raise InvalidRequest(message, param=LAST_EVENT_ID)
    return int(text)
