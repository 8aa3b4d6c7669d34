"""A name for each request: the client's X-Request-ID if it is a sane one, else a new one."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)


def install(app: Flask) -> None:
    app.before_request(_name)
    app.after_request(_echo)


def request_id() -> str:
    """The id of the current request."""
    name: str = g.request_id
    return name


def new() -> str:
    return uuid.uuid4().hex


def _name() -> None:
    offered = request.headers.get(HEADER, "")
    g.request_id = offered if SANE.fullmatch(offered) else new()


def _echo(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
