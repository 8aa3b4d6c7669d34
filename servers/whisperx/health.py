"""GET /health: `engine` is the word that clients look for, `backend` what really listens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.web import readiness
from servers.web.requester import requests

bp = Blueprint("health", __name__)


@bp.get("/health")
def health() -> dict[str, Any]:
    about = {"engine": "whisperx", "backend": requests().door.model_type}
    return readiness.health(requests()) | about
