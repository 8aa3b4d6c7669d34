"""GET /ops/averages, /ops/history and /ops/running: how long the work of this server takes, and what runs."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from pydantic import BeforeValidator, Field

from servers.errors import EngineUnavailable, InvalidRequest, StorageFailed
from servers.jobs.durations import KEPT, MODEL_LOAD, Durations
from servers.settings import settings
from servers.web.auth import current_owner
from servers.web.openapi import operation
from servers.web.query import Query
from servers.web.requester import requests

EXTENSION = "skylark.durations"
bp = Blueprint("operations", __name__)


def install(app: Flask) -> None:
    app.extensions[EXTENSION] = Durations(settings().data_dir)


def durations() -> Durations:
    found: Durations = current_app.extensions[EXTENSION]
    return found


def _whole(text: object) -> object:
    """A number as text is a number. Raises InvalidRequest."""
    if isinstance(text, str):
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise InvalidRequest(f"'limit' is a whole number from 1 to {KEPT}", param="limit")
        return int(text)
    return text


class HistoryQuery(Query):
    job_id: Annotated[str | None, Field(description="of this job alone")] = None
    op_name: Annotated[str | None, Field(description="of this kind alone")] = None
    limit: Annotated[
        int, BeforeValidator(_whole), Field(ge=1, le=KEPT, description="so many of the newest")
    ] = 100


@bp.get("/ops/averages")
@operation("How long each kind of work takes on average", errors=(StorageFailed,))
def averages() -> dict[str, Any]:
    return durations().averages()


@bp.get("/ops/history")
@operation(
    "What was done and how long it took, the newest first", query=HistoryQuery, errors=(StorageFailed,)
)
def history() -> Response:
    asked = HistoryQuery.of_request()
    return jsonify(
        durations().history(current_owner(), job_id=asked.job_id, name=asked.op_name, limit=asked.limit)
    )


@bp.get("/ops/running")
@operation("What runs now", errors=(EngineUnavailable,))
def running() -> Response:
    """The models that are loading are the engine's to tell, which does not say since when."""
    loading = requests().client.health()["loading"]
    models = [
        {"op_name": MODEL_LOAD, "model": f"{each['type']}/{each['name']}", "job_id": None} for each in loading
    ]
    return jsonify(durations().running(current_owner()) + models)
