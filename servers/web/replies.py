"""How a view's dict becomes the body of its reply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

import orjson
import pybase64
from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from werkzeug.sansio import response as sansio

PIECE = 3 * 65_536
"""Bytes that become base64 at once: a multiple of three, so that no padding comes before the end."""


class Json(DefaultJSONProvider):
    """JSON in UTF-8, with the keys in the view's order: replies are large, with audio in them as base64."""

    sort_keys = False

    def response(self, *args: Any, **kwargs: Any) -> sansio.Response:
        body = _encoded(self._prepare_response_obj(args, kwargs))
        if body is None:
            return super().response(*args, **kwargs)
        return Response(body + b"\n", mimetype=self.mimetype)


def dumps(data: Any) -> bytes:
    """As the body of a reply, without its newline."""
    encoded = _encoded(data)
    return json.dumps(data).encode() if encoded is None else encoded


def base64_of(file: IO[bytes]) -> Iterator[bytes]:
    """What the file has from here on as base64, in pieces: only one of them is in memory at a time."""
    for piece in iter(lambda: file.read(PIECE), b""):
        yield pybase64.b64encode(piece)


def _encoded(data: Any) -> bytes | None:
    """None for what orjson refuses and json spells: integers beyond 64 bits, halves of surrogate pairs."""
    try:
        return orjson.dumps(data)
    except orjson.JSONEncodeError:
        return None


def install(app: Flask) -> None:
    app.json = Json(app)
