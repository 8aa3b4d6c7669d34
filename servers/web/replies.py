"""How a view's dict becomes the body of its reply."""

from __future__ import annotations

import json
from typing import Any

import orjson
from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from werkzeug.sansio import response as sansio


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


def _encoded(data: Any) -> bytes | None:
    """None for what orjson refuses and json spells: integers beyond 64 bits, halves of surrogate pairs."""
    try:
        return orjson.dumps(data)
    except orjson.JSONEncodeError:
        return None


def install(app: Flask) -> None:
    app.json = Json(app)
