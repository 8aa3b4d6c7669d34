"""GET /health: `voice` is who speaks where a request names nobody, null where only the loaded model knows.

Where the cache of speech is on, `cache` says what it is worth.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.spoken.recall import statistics
from servers.web import readiness
from servers.web.openapi import operation
from servers.web.requester import requests

bp = Blueprint("health", __name__)


@bp.get("/health")
@operation("How the server, the engine and the default model are")
def health() -> dict[str, Any]:
    known = requests().preferred.candidates[0].description()
    about = readiness.health(requests()) | {"voice": None if known is None else known.about.default_voice}
    return about if (cache := statistics()) is None else about | {"cache": cache}
