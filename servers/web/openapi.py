"""The OpenAPI 3.1 document of a server, made from the nouns that check its requests, and a page of it.

A view says what it takes beside its route, with `operation`; whatever has a route and says nothing is missing
from the document, which a test forbids.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, render_template_string
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from servers import __version__
from servers.errors import InvalidRequest, Unauthorized
from servers.speech import Noun
from servers.web.auth import OPEN_PATHS
from servers.web.failures import (
    ALWAYS,
    OF_BODIES,
    REQUEST_ID,
    Kind,
    Kinds,
    error_schema,
    http_status,
    responses,
)
from servers.web.query import Query

JSON, FORM = "application/json", "multipart/form-data"
ATTRIBUTE = "openapi_operation"
REFERENCE = "#/components/schemas/{model}"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WITH_CONTENT = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
PAGE = Path(__file__).with_name("openapi.html")
PARAMETER = re.compile(r"<(?:(?P<kind>[^:<>]+):)?(?P<name>[^<>]+)>")
IN_PATHS: Mapping[str | None, dict[str, Any]] = {
    None: {"type": "string", "pattern": "^[^/]+$"},
    "path": {"type": "string", "minLength": 1},
    "uuid": {"type": "string", "format": "uuid"},
}
"""What each of werkzeug's converters takes."""
FILE = {"type": "string", "format": "binary"}
"""What a form sends in place of the base64 of JSON."""
SECURITY_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "elevenlabs_key": {"type": "apiKey", "in": "header", "name": "xi-api-key"},
}
REQUEST_ID_HEADER = {
    "description": "the client's own, if it sent one",
    "schema": {"type": "string"},
    "required": True,
}
KEYLESS = "skylark.keyless"
"""The app's extension that says that its callers have no key."""
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
View = TypeVar("View", bound=Callable[..., Any])
bp = Blueprint("openapi", __name__)


@dataclass(frozen=True)
class Operation:
    summary: str
    body: type[Noun] | None = None
    """The JSON that it takes."""
    form: type[Noun] | None = None
    """The fields of a form with a file that it takes; its `audio` is the file called `file`."""
    file: str = "file"
    """What the form calls its file."""
    query: type[Query] | None = None
    """Its parameters after the question mark."""
    headers: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Headers of the request that it goes by, and the schema of each."""
    replies: Sequence[str] = (JSON,)
    """The content types of its 200."""
    successes: Sequence[HTTPStatus] = (HTTPStatus.OK,)
    """The statuses that are no error: another one than 200 and 206 has no content."""
    errors: Kinds = ()
    """What it may answer besides; those of all requests, of bodies and of keys need not be told."""
    status: Callable[[Kind], int] = http_status
    """The status that an error has here."""


def operation(summary: str, **more: Any) -> Callable[[View], View]:
    """Says of a view what the fields of Operation are."""

    def described(view: View) -> View:
        setattr(view, ATTRIBUTE, Operation(summary, **more))
        return view

    return described


@bp.get("/openapi.json")
@operation("This document")
def openapi() -> dict[str, Any]:
    return document(current_app)


def style_source() -> str:
    """The style of /docs as a source in a Content-Security-Policy: by its hash, as CSP level 2 has it."""
    found = STYLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, "the page has a style"
    return f"'sha256-{base64.b64encode(sha256(found[1].encode()).digest()).decode()}'"


@bp.get("/docs")
@operation("The same for people", replies=("text/html",))
def docs() -> str:
    return render_template_string(PAGE.read_text(encoding="utf-8"), document=document(current_app))


def operations(app: Flask) -> Iterator[tuple[Rule, str, Operation | None]]:
    """Each route and method of the app with what its view says; None where that says nothing."""
    for rule in app.url_map.iter_rules():
        for method in METHODS:
            if method in (rule.methods or ()):
                yield rule, method, getattr(app.view_functions[rule.endpoint], ATTRIBUTE, None)


def document(app: Flask) -> dict[str, Any]:
    described = [(rule, method, each) for rule, method, each in operations(app) if each is not None]
    nouns = dict.fromkeys(each.body for _, _, each in described if each.body is not None)
    told, schemas = models_json_schema([(noun, "validation") for noun in nouns], ref_template=REFERENCE)
    references = {noun: told[noun, "validation"] for noun in nouns}
    paths: dict[str, Any] = {}
    keyless = bool(app.extensions.get(KEYLESS))
    for rule, method, each in described:
        path = PARAMETER.sub(r"{\g<name>}", rule.rule)
        name = re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_")
        found = {"operationId": name} | _operation(rule, each, references, keyless)
        paths.setdefault(path, {})[method.lower()] = found
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Skylark, {app.name}", "version": __version__},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.get("$defs", {}) | {"Error": error_schema()},
            "headers": {"RequestId": REQUEST_ID_HEADER},
            "securitySchemes": SECURITY_SCHEMES,
        },
        "security": [] if keyless else [{scheme: []} for scheme in SECURITY_SCHEMES],
    }


def _operation(
    rule: Rule, said: Operation, references: Mapping[type[Noun], Any], keyless: bool
) -> dict[str, Any]:
    is_open = keyless or rule.rule in OPEN_PATHS
    errors = (*ALWAYS, *(OF_BODIES if said.body or said.form else ()), *said.errors)
    if said.query or said.headers:
        errors = (*errors, InvalidRequest)
    found: dict[str, Any] = {
        "summary": said.summary,
        "parameters": [*_in_path(rule), *_in_query(said), *_in_headers(said)],
        "responses": {str(status.value): _success(status, said) for status in said.successes}
        | responses(errors if is_open else (*errors, Unauthorized), said.status, JSON),
    }
    if is_open:
        found["security"] = []
    content: dict[str, Any] = {}
    if said.body is not None:
        content[JSON] = {"schema": references[said.body]}
    if said.form is not None:
        content[FORM] = {"schema": _form_schema(said.form, said.file)}
    if content:
        found["requestBody"] = {"required": True, "content": content}
    return found


def _success(status: HTTPStatus, said: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"description": status.phrase, "headers": REQUEST_ID}
    if status in WITH_CONTENT:
        found["content"] = {kind: {} for kind in said.replies}
    return found


def _in_path(rule: Rule) -> Iterator[dict[str, Any]]:
    for found in PARAMETER.finditer(rule.rule):
        yield {"name": found["name"], "in": "path", "required": True, "schema": IN_PATHS[found["kind"]]}


def _in_query(said: Operation) -> Iterator[dict[str, Any]]:
    if said.query is None:
        return
    whole = _without_null(said.query.model_json_schema())
    for name, schema in whole["properties"].items():
        found = {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}
        yield found | ({"required": True} if name in whole.get("required", ()) else {})


def _in_headers(said: Operation) -> Iterator[dict[str, Any]]:
    for name, schema in said.headers.items():
        kind = dict(schema)
        yield {"name": name, "in": "header", "description": kind.pop("description"), "schema": kind}


def _form_schema(noun: type[Noun], file: str) -> dict[str, Any]:
    """The noun's fields, its audio as a file; all by themselves, for a form has no references."""
    schema = _without_null(noun.model_json_schema())
    properties = dict(schema["properties"])
    properties.pop("audio", None)
    required = [name for name in schema.get("required", ()) if name != "audio"]
    inner = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    fields = {file: FILE} | properties
    return {
        "type": "object",
        "properties": fields,
        "required": [file, *required],
        "additionalProperties": False,
    } | inner


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same for what is sent as text, in which nothing is null: a field is there or it is not."""
    return schema | {"properties": {name: _there(each) for name, each in schema["properties"].items()}}


def _there(schema: dict[str, Any]) -> dict[str, Any]:
    rest = {name: each for name, each in schema.items() if name != "default" or each is not None}
    kinds = [each for each in rest.pop("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) > 1:
        return rest | {"anyOf": kinds}
    return rest | (kinds[0] if kinds else {})
