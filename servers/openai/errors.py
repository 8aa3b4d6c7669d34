"""Errors as OpenAI's clients expect them: 400 for what is wrong with a request, 404 for an unknown model.

The body has the same shape on all paths: {"error": {"message", "type", "param", "code", …}}.
"""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response

from servers.errors import InvalidRequest, SkylarkError, UnknownModel
from servers.web import errors, openapi

UNPROCESSABLE = InvalidRequest.http_status


def install(bp: Blueprint) -> None:
    bp.register_error_handler(SkylarkError, reply)


def reply(error: SkylarkError) -> Response:
    response = errors.reply(error)
    response.status_code = status(type(error))
    return response


def status(kind: type[SkylarkError]) -> int:
    if issubclass(kind, UnknownModel):
        return 404
    return 400 if kind.http_status == UNPROCESSABLE else kind.http_status


operation = partial(openapi.operation, status=status)
"""What a view of these paths says of itself."""
