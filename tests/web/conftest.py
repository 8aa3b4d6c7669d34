from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Flask, request

from servers.errors import QueueFull
from servers.settings import settings
from servers.speech import Noun
from servers.web.app import create_app
from servers.web.auth import current_owner
from servers.web.body import json_body

Configure = Callable[..., None]


class Toy(Noun):
    name: str
    size: int = 1


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Configure]:
    """Settings for this test alone: configure(SKYLARK_LIMITS__MAX_TEXTS="2")."""
    for name in ("TTS_API_KEY", "SKYLARK_API_KEY", "SKYLARK_API_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SKYLARK_DATA_DIR", str(tmp_path))

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    set_all()
    yield set_all
    settings.cache_clear()


@pytest.fixture
def make_app(configure: Configure) -> Callable[[], Flask]:
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
