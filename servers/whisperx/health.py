"""GET /health: `engine` is the word that clients look for; `backend` is what really listens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.web import readiness
from servers.web.openapi import operation
from servers.web.requester import requests

bp = Blueprint("health", __name__)


@bp.get("/health")
@operation("How the server, the engine and the default model are")
def health() -> dict[str, Any]:
    return readiness.health(requests()) | {"engine": "whisperx"}
