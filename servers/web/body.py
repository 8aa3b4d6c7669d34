"""The request's body: JSON as a typed noun, or the parts of a form."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from servers.errors import InvalidRequest, MalformedBody
from servers.speech import Noun
from servers.storage import storing

N = TypeVar("N", bound=Noun)
EXACT = 2**53
"""Below it a float has every integer."""


def json_body(noun: type[N]) -> N:
    """The body as a `noun`, whatever its content type says.

    Raises MalformedBody if it is not JSON, and InvalidRequest naming the first field at fault.
    """
    return noun.parse(json_object(), strict=True)


def json_object() -> dict[str, Any]:
    """The body, which has to be a JSON object. Raises MalformedBody or InvalidRequest."""
    return as_object(request.get_data(cache=False), "the body")


def as_object(body: bytes, what: str) -> dict[str, Any]:
    """The JSON object that the bytes are. Raises MalformedBody or InvalidRequest about `what`."""
    try:
        data = json.loads(body, parse_float=_number)
    except (ValueError, RecursionError):
        why = "is not JSON" if body else "is empty, and has to be a JSON object"
        raise MalformedBody(f"{what} {why}") from None
    if (b"\\ud" in body or b"\\uD" in body) and _has_lone_surrogate(data):
        raise MalformedBody(f"{what} has half of a surrogate pair, which is no character")
    if not isinstance(data, dict):
        raise InvalidRequest(f"{what} has to be a JSON object, and not {_json_type(data)}")
    return data


def _number(text: str) -> float | int:
    """1.0 is an integer in JSON Schema, and so it is here."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < EXACT else number


def form_parts() -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
    """The fields and the files of a form; a large file is in a temporary one, for as long as the request.

    Raises StorageFailed where it cannot be kept there.
    """
    with storing("a file of the form"):
        return request.form, request.files


def _json_type(data: object) -> str:
    match data:
        case list():
            return "an array"
        case str():
            return "a string"
        case None:
            return "null"
        case bool():
            return "a boolean"
        case _:
            return "a number"


def _has_lone_surrogate(data: object) -> bool:
    """JSON can spell what no encoding can send on; escaped pairs, which are fine, are rare enough to try."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
