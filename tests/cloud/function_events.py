"""What a load balancer tells a function of a request, and how it reads the answer: AWS's own form of both."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.cloud.listener_rules import Request

LARGEST_BYTES = 1024 * 1024
"""Of a request's body, and of an answer's JSON."""
TEXTS = ("application/json", "application/javascript", "application/xml")


class BadAnswer(Exception):
    """A function's answer that a balancer makes a 502 of."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


def event_of(request: Request, target_group_arn: str) -> dict[str, Any]:
    """multi-value headers are off: of several the last one counts. The query is as it came, not decoded."""
    text = _is_text(request)
    return {
        "requestContext": {"elb": {"targetGroupArn": target_group_arn}},
        "httpMethod": request.method,
        "path": request.path,
        "queryStringParameters": _query(request.query),
        "headers": {name.lower(): value for name, value in request.headers}
        | {
            "x-amzn-trace-id": request.trace_id,
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "body": request.body.decode(errors="replace") if text else base64.b64encode(request.body).decode(),
        "isBase64Encoded": not text,
    }


def _is_text(request: Request) -> bool:
    """A body is text by its content type, and never where it has an encoding."""
    kind = request.header("content-type").partition(";")[0].strip().lower()
    return (kind.startswith("text/") or kind in TEXTS) and not request.header("content-encoding")


def _query(query: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return {name: value for name, _, value in pairs}


def answer_of(returned: Any) -> Answer:
    """Raises BadAnswer as a balancer does: a status that is none, headers that are not text, over 1 MB."""
    if not isinstance(returned, dict) or not isinstance(returned.get("statusCode"), int):
        raise BadAnswer(f"no statusCode: {str(returned)[:200]}")
    headers = returned.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise BadAnswer(f"headers are text by text: {headers}")
    body = _bytes(returned)
    if len(body) > LARGEST_BYTES:
        raise BadAnswer(f"{len(body)} bytes are over 1 MB")
    return Answer(returned["statusCode"], list(headers.items()), [body])


def _bytes(returned: dict[str, Any]) -> bytes:
    body = returned.get("body") or ""
    if not isinstance(body, str):
        raise BadAnswer(f"a body is text: {type(body).__name__}")
    if not returned.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise BadAnswer(f"isBase64Encoded, and {error}") from None


def json_answer(status: int, value: Any, **headers: str) -> dict[str, Any]:
    """What a function returns to a balancer; `headers` with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"} | named,
        "body": json.dumps(value),
    }
