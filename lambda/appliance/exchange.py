"""What a client asks over the ALB, and what it is answered, errors in the same shape as the servers'."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import unquote_plus

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
TYPES = {401: "authentication_error", 404: "not_found_error", 409: "conflict_error", 429: "rate_limit_error"}


class Refused(Exception):
    """What a client is answered with instead. `message` names what is possible; `param` the field at fault.

    Refused
    ├── InvalidRequest      the caller can mend it
    │   └── MalformedBody   no JSON object
    ├── Unauthorized
    ├── NotFound
    ├── MethodNotAllowed
    ├── Conflict
    └── Unavailable         with retry_after_s
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """`more` is said in the error's object beside them."""
        super().__init__(message)
        self.message, self.param, self.retry_after_s = message, param, retry_after_s
        self.headers, self.more = dict(headers or {}), more


class InvalidRequest(Refused):
    code, status = "invalid_request", 400


class MalformedBody(InvalidRequest):
    code = "malformed_body"


class Unauthorized(Refused):
    code, status = "unauthorized", 401


class NotFound(Refused):
    code, status = "not_found", 404


class MethodNotAllowed(Refused):
    code, status = "method_not_allowed", 405


class Conflict(Refused):
    code, status = "conflict", 409


class Unavailable(Refused):
    code, status = "unavailable", 503


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # their names in small letters
    body: bytes
    id: str
    target: str  # the path and the query, as they came


def is_request(event: object) -> bool:
    """Whether the ALB asks, or somebody invoked the function."""
    return isinstance(event, Mapping) and "httpMethod" in event


def read(event: Mapping[str, Any]) -> Request:
    """Of an ALB's event, whose query is as it came: with its percent signs."""
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    raw = event.get("queryStringParameters") or {}
    path = str(event["path"])
    line = "&".join(f"{name}={value}" for name, value in raw.items())
    return Request(
        method=str(event["httpMethod"]).upper(),
        path=path,
        query={unquote_plus(name): unquote_plus(value) for name, value in raw.items()},
        headers=headers,
        body=_body(event),
        id=_id(headers),
        target=f"{path}?{line}" if line else path,
    )


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return b""  # the ALB's own encoding: it does not occur


def _id(headers: Mapping[str, str]) -> str:
    offered = headers.get("x-request-id", "")
    return offered if SANE_ID.fullmatch(offered) else uuid.uuid4().hex


def presented_key(request: Request) -> bytes:
    """By `X-API-Key`, `Authorization: Bearer` or `xi-api-key`, as the servers take it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return (request.headers.get("x-api-key") or bearer or request.headers.get("xi-api-key", "")).encode()


def json_object(request: Request) -> dict[str, Any]:
    """The body; one that is empty is an object without fields. Raises MalformedBody."""
    if not request.body.strip():
        return {}
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError) as fault:
        raise MalformedBody(f"the body is no JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise MalformedBody("the body is to be a JSON object")
    return found


def answer(
    request_id: str,
    status: int,
    body: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """As the ALB takes it; without a body where that is None."""
    said = {"X-Request-ID": request_id, "Cache-Control": "no-store"}
    if body is not None:
        said["Content-Type"] = "application/json"
    return {
        "statusCode": status,
        "statusDescription": f"{status} {HTTPStatus(status).phrase}",
        "headers": said | dict(headers or {}),
        "body": "" if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False),
        "isBase64Encoded": False,
    }


def refusal(request_id: str, refused: Refused) -> dict[str, Any]:
    """`{"error": {"code", "message", "param", "type", "request_id", …}}`."""
    error: dict[str, Any] = {
        "code": refused.code,
        "message": refused.message,
        "param": refused.param,
        "type": _type(refused.status),
        "request_id": request_id,
    }
    said = dict(refused.headers)
    if refused.retry_after_s is not None:
        error["retry_after_s"] = refused.retry_after_s
        said["Retry-After"] = str(max(1, math.ceil(refused.retry_after_s)))
    if refused.status == 401:
        said["WWW-Authenticate"] = "Bearer"
    return answer(request_id, refused.status, {"error": error | refused.more}, said)


def _type(status: int) -> str:
    if status in TYPES:
        return TYPES[status]
    return "server_error" if status >= 500 else "invalid_request_error"
