"""The models from outside: what is loaded, loading and unloading by hand, pins, and the idle time."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, Response, current_app, jsonify, request
from pydantic import Field

from servers.engine.model_control import ModelControl
from servers.errors import Conflict, EngineUnavailable, UnknownModel
from servers.speech import Noun
from servers.web.body import json_body
from servers.web.disconnect import client_connected
from servers.web.openapi import operation

bp = Blueprint("models", __name__)
CONTROL = "skylark.model_control"
LONGEST_HOLD_S = 3_600.0
OF_A_MODEL = (UnknownModel, EngineUnavailable)


class GpuConfig(Noun):
    """The body of PUT /gpu/config, in seed 002's word; 0 keeps models for ever."""

    idle_timeout_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Hold(Noun):
    """The body of POST /models/<name>/hold. It ends by itself, for who asked may be gone by then."""

    seconds: Annotated[float, Field(gt=0, le=LONGEST_HOLD_S)]


def control() -> ModelControl:
    found: ModelControl = current_app.extensions[CONTROL]
    return found


@bp.get("/models")
@operation("The models, and what each is at")
def models() -> Response:
    return jsonify(models=control().all())


@bp.post("/models/<path:name>/load")
@operation("Load a model", errors=OF_A_MODEL)
def load(name: str) -> dict[str, Any]:
    return control().load(name, client_connected)


@bp.post("/models/<path:name>/unload")
@operation("Unload a model", errors=(*OF_A_MODEL, Conflict))
def unload(name: str) -> dict[str, Any]:
    return control().unload(name, client_connected)


@bp.route("/models/<path:name>/pin", methods=["POST", "DELETE"])
@operation("Keep a model loaded, or no longer", errors=OF_A_MODEL)
def pin(name: str) -> dict[str, Any]:
    return control().pin(name, pinned=request.method == "POST")


@bp.post("/models/<path:name>/hold")
@operation("Keep a model from leaving for some time", body=Hold, errors=OF_A_MODEL)
def hold(name: str) -> dict[str, Any]:
    return control().hold(name, json_body(Hold).seconds)


@bp.put("/gpu/config")
@operation("How long an idle model stays", body=GpuConfig, errors=(EngineUnavailable,))
def configure() -> dict[str, Any]:
    control().keep_idle_for(json_body(GpuConfig).idle_timeout_seconds)
    return {"idle_timeout_seconds": control().idle_timeout_s()}
