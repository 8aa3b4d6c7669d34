"""The OpenAPI 3.1 document of a server, made from the nouns that check its requests, and a page of it.

A view says what it takes beside its route, with `operation`; whatever has a route and says nothing is missing
from the document, which a test forbids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, render_template_string
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from servers.errors import BY_CODE
from servers.speech import Noun

JSON, FORM = "application/json", "multipart/form-data"
ATTRIBUTE = "openapi_operation"
REFERENCE = "#/components/schemas/{model}"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PAGE = Path(__file__).with_name("openapi.html")
DISTRIBUTION = "skylark-speech"
PARAMETER = re.compile(r"<(?:(?P<kind>[^:<>]+):)?(?P<name>[^<>]+)>")
FILE = {"type": "string", "format": "binary", "description": "the recording"}
"""What a form sends in place of the base64 of JSON."""
View = TypeVar("View", bound=Callable[..., Any])
bp = Blueprint("openapi", __name__)


@dataclass(frozen=True)
class Operation:
    summary: str
    body: type[Noun] | None = None
    """The JSON that it takes."""
    form: type[Noun] | None = None
    """The fields of a form with a file that it takes; its `audio` is the file called `file`."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Its parameters after the question mark, and what they mean."""
    replies: Sequence[str] = (JSON,)
    """The content types of its 200."""


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
    references, schemas = models_json_schema([(noun, "validation") for noun in nouns], ref_template=REFERENCE)
    paths: dict[str, Any] = {}
    for rule, method, each in described:
        place = paths.setdefault(PARAMETER.sub(r"{\g<name>}", rule.rule), {})
        place[method.lower()] = _operation(
            rule, each, {noun: references[noun, "validation"] for noun in nouns}
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Skylark, {app.name}", "version": version(DISTRIBUTION)},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.get("$defs", {}) | {"Error": _error_schema()},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}],
    }


def _operation(rule: Rule, said: Operation, references: Mapping[type[Noun], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": said.summary,
        "operationId": rule.endpoint,
        "parameters": [*_in_path(rule), *_in_query(said)],
        "responses": {
            "200": {"description": "done", "content": {kind: {} for kind in said.replies}},
            "default": {
                "description": "a typed error",
                "content": {JSON: {"schema": {"$ref": REFERENCE.format(model="Error")}}},
            },
        },
    }
    content = {}
    if said.body is not None:
        content[JSON] = {"schema": references[said.body]}
    if said.form is not None:
        content[FORM] = {"schema": _form_schema(said.form)}
    if content:
        found["requestBody"] = {"required": True, "content": content}
    return found


def _in_path(rule: Rule) -> Iterator[dict[str, Any]]:
    for found in PARAMETER.finditer(rule.rule):
        kind = {"type": "string", "format": "uuid"} if found["kind"] == "uuid" else {"type": "string"}
        yield {"name": found["name"], "in": "path", "required": True, "schema": kind}


def _in_query(said: Operation) -> Iterator[dict[str, Any]]:
    for name, meaning in said.query.items():
        yield {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}


def _form_schema(noun: type[Noun]) -> dict[str, Any]:
    """The noun's fields, its audio as a file; all by themselves, for a form has no references."""
    schema = noun.model_json_schema()
    properties = dict(schema["properties"])
    properties.pop("audio", None)
    required = [name for name in schema.get("required", ()) if name != "audio"]
    inner = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    fields = {"file": FILE} | properties
    return {"type": "object", "properties": fields, "required": ["file", *required], **inner}


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    properties = {
        "code": {"type": "string", "enum": sorted(BY_CODE)},
        "message": text,
        "param": {"type": ["string", "null"], "description": "the field at fault"},
        "type": text,
        "request_id": text,
        "retry_after_s": {"type": "number"},
    }
    error = {"type": "object", "properties": properties, "required": ["code", "message", "param"]}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}
