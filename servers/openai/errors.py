"""Errors as OpenAI's clients expect them: 400 for what is wrong with a request, 404 for an unknown model.

The body has the same shape on all paths: {"error": {"message", "type", "param", "code", …}}.
"""

from __future__ import annotations

from flask import Blueprint, Response

from servers.errors import InvalidRequest, SkylarkError, UnknownModel
from servers.web import errors

UNPROCESSABLE = InvalidRequest.http_status


def install(bp: Blueprint) -> None:
    bp.register_error_handler(SkylarkError, reply)


def reply(error: SkylarkError) -> Response:
    response = errors.reply(error)
    response.status_code = status(error)
    return response


def status(error: SkylarkError) -> int:
    if isinstance(error, UnknownModel):
        return 404
    return 400 if error.http_status == UNPROCESSABLE else error.http_status
