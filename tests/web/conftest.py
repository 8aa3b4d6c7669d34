from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Blueprint, Flask, request

from servers.errors import QueueFull
from servers.speech import Noun
from servers.web.app import create_app
from servers.web.auth import current_owner
from servers.web.body import json_body
from tests.web import fixtures

configure = fixtures.configure


class Toy(Noun):
    name: str
    size: int = 1


@pytest.fixture
def make_app(configure: fixtures.Configure) -> Callable[[], Flask]:
    return lambda: create_app("toys", [_blueprint()], prefix="toys")


def _blueprint() -> Blueprint:
    bp = Blueprint("toys", __name__)

    @bp.get("/health")
    def health() -> dict[str, bool]:
        return {"ok": True}

    @bp.post("/things")
    def make() -> dict[str, object]:
        return json_body(Toy).model_dump() | {"owner": current_owner()}

    @bp.post("/raw")
    def raw() -> dict[str, int]:
        return {"bytes": len(request.get_data())}

    @bp.get("/full")
    def full() -> dict[str, object]:
        raise QueueFull("too many jobs", retry_after_s=1.5)

    @bp.get("/defect")
    def defect() -> dict[str, object]:
        raise RuntimeError(f"cannot say {request.args['text']}")

    return bp
