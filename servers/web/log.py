"""One log line for each request, when its last byte has been made: no text, no key, no query string."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

from servers.errors import SkylarkError
from servers.web.request_ids import request_id

logger = logging.getLogger(__name__)


def install(app: Flask, level: int) -> None:
    app.before_request(_start)
    app.after_request(lambda response: _finish(response, level))


def _start() -> None:
    g.started_at = time.monotonic()


def _finish(response: Response, level: int) -> Response:
    if not logger.isEnabledFor(level):
        return response
    started_at = g.started_at
    line = {
        "action": "request",
        "request_id": request_id(),
        "method": request.method,
        "path": request.root_path + request.path,
        "endpoint": request.endpoint,
        "status": response.status_code,
        "error": g.get("error_code"),
        "owner": g.get("owner"),
        "bytes_in": request.content_length,
        "bytes_out": response.content_length,
    }

    def write() -> None:
        duration_ms = round((time.monotonic() - started_at) * 1000, 1)
        logger.log(level, "request", extra=line | {"duration_ms": duration_ms})

    response.call_on_close(write)
    return response


def refused(error: SkylarkError, request_id: str) -> None:
    """The line of a request that no app was asked: it could not be read, or there was no place for it."""
    line = {"action": "request", "request_id": request_id, "status": error.http_status, "error": error.code}
    logger.info("request refused", extra=line)


def broke_off(error: SkylarkError) -> None:
    """A stream failed after its reply had begun, in which it could not say so."""
    logger.warning("a reply broke off", extra={"action": "broke_off", "error": error.code})
