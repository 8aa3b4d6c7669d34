"""GET / in the words of its clients, and GET /health in those of the other servers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from flask import Blueprint

from servers.settings import settings
from servers.web import readiness
from servers.web.openapi import operation
from servers.web.requester import requests

SERVICE = "qwen3-tts-finetune-api"
bp = Blueprint("health", __name__)


@bp.get("/")
@operation("Whether the server and the engine are well, and there is a bucket")
def root() -> dict[str, Any]:
    status = readiness.health(requests())["status"]
    return {"service": SERVICE, "status": status, "storage_configured": storage_configured()}


@bp.get("/health")
@operation("How the server, the engine and the default model are")
def health() -> dict[str, Any]:
    return readiness.health(requests()) | {"storage_configured": storage_configured()}


def storage_configured() -> bool:
    """Whether there is a bucket to ask, and what asks it; not whether it answers."""
    return settings().s3.bucket is not None and find_spec("boto3") is not None
