"""What visitors send, as it goes on: marked as theirs, and without what is not for them to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, Any

from flask import request
from urllib3.fields import RequestField
from werkzeug.datastructures import FileStorage

from servers.errors import Forbidden
from servers.proxy.exposure import is_public
from servers.proxy.visitors import visitor
from servers.settings import settings
from servers.web.body import form_parts, json_object
from servers.web.request_ids import new

APPLICATION_ID = "application_id"
OPERATORS = ("priority", "output", "s3")
"""Fields that are not for strangers: who goes first, and what goes into the operator's bucket."""
MEGABYTE = 1_000_000
MOST_JSON_BYTES = 32 * MEGABYTE
"""JSON is in memory several times while it is read and written again; a large recording comes as a form."""
PIECE = 65_536


def visitors_json() -> dict[str, Any]:
    """The JSON object that the current request sends, marked. Raises MalformedBody, InvalidRequest or
    Forbidden.
    """
    return marked(json_object())


def marked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Forbidden."""
    for name in OPERATORS:
        if fields.get(name) is not None and is_public(settings().proxy):
            raise Forbidden(f"{name!r} is not the page's visitors' to say", param=name)
    return {**fields, APPLICATION_ID: visitor().application_id}


class Form:
    """A form with recordings, marked, as it goes on: piece by piece from where it was received."""

    def __init__(self) -> None:
        """The current request's. Raises StorageFailed, and Forbidden."""
        fields, files = form_parts()
        self.fields: dict[str, str] = marked(fields.to_dict())
        self._boundary = f"skylark-{new()}"
        parts: list[bytes | IO[bytes]] = []
        for name, value in self.fields.items():
            parts += [self._head(name), value.encode(), b"\r\n"]
        for name, file in files.to_dict().items():
            parts += [self._head(name, file), file.stream, b"\r\n"]
        self._parts: list[bytes | IO[bytes]] = [*parts, f"--{self._boundary}--\r\n".encode()]
        self.length = sum(map(_length, self._parts))

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def pieces(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                part.seek(0)
                yield from iter(partial(part.read, PIECE), b"")

    def _head(self, name: str, file: FileStorage | None = None) -> bytes:
        found = RequestField(name, b"", filename=None if file is None else file.filename or name)
        found.make_multipart(content_type=None if file is None else file.mimetype)
        return f"--{self._boundary}\r\n{found.render_headers()}".encode()


def sent_mb() -> float:
    """Of the current request's body."""
    return (request.content_length or 0) / MEGABYTE


def _length(part: bytes | IO[bytes]) -> int:
    if isinstance(part, bytes):
        return len(part)
    return part.seek(0, 2)


def length_of(text: object) -> int:
    """Characters of a text; 0 of what is none, which the upstream refuses."""
    return len(text) if isinstance(text, str) else 0
