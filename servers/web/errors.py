"""Every failure as one typed JSON reply: {"error": {"code", "message", "param", "type", "request_id"}}."""

from __future__ import annotations

import logging
import math
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from servers.errors import (
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    SkylarkError,
    TooLarge,
    Unauthorized,
    UpgradeRequired,
)
from servers.web.request_ids import request_id

TYPES = {401: "authentication_error", 404: "not_found_error", 409: "conflict_error", 429: "rate_limit_error"}
logger = logging.getLogger(__name__)


def install(app: Flask) -> None:
    app.register_error_handler(SkylarkError, reply)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def reply(error: SkylarkError) -> Response:
    """The error as the current request's response."""
    g.error_code = error.code
    response = jsonify(error=body(error, request_id()))
    response.status_code = error.http_status
    response.headers.update(headers(error))
    return response


def body(error: SkylarkError, request_id: str) -> dict[str, Any]:
    """`type` is the kind of error in OpenAI's words, which its clients look at."""
    return error.to_dict() | {"type": _type(error.http_status), "request_id": request_id}


def _type(status: int) -> str:
    if status in TYPES:
        return TYPES[status]
    return "server_error" if status >= 500 else "invalid_request_error"


def headers(error: SkylarkError) -> dict[str, str]:
    """What its reply says beside its body."""
    found = {}
    if error.retry_after_s is not None:
        found["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, Unauthorized):
        found["WWW-Authenticate"] = "Bearer"
    if isinstance(error, UpgradeRequired):
        found |= {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    return found


def _http_error(error: HTTPException) -> Response | HTTPException:
    """What werkzeug and Flask raise themselves."""
    if error.code is None or error.code < 400:  # a response that was raised
        return error
    if error.code >= 500:
        return _unexpected(error)
    response = reply(_typed(error))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _typed(error: HTTPException) -> SkylarkError:
    match error.code:
        case 404:
            return NotFound(f"there is no {request.root_path}{request.path}")
        case 405:
            path, taken = f"{request.root_path}{request.path}", _taken(error)
            return MethodNotAllowed(f"{path} does not take {request.method}, but {taken}")
        case 413:
            limit = request.max_content_length or 0
            return TooLarge(f"the body, or a field of its form, is over its limit ({limit} bytes in all)")
        case _:
            return MalformedBody(f"the request cannot be read: {error.name}")


def _taken(error: HTTPException) -> str:
    """The methods that are taken, but for those that any path takes."""
    allowed = dict(error.get_headers()).get("Allow", "").split(", ")
    return " and ".join(sorted(set(allowed) - {"HEAD", "OPTIONS"}))


def _unexpected(error: Exception) -> Response:
    """A defect: the log has the frames, the client only the request id."""
    logger.error("unexpected error", exc_info=error, extra={"action": "error", "request_id": request_id()})
    return reply(SkylarkError("an internal error; the server's log has it under this request id"))
