"""Whether a door can be used: what /health and /ready answer on each of them.

Neither needs a key, so that load balancers can ask; neither waits for work.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Flask, current_app

from servers.errors import EngineUnavailable, ModelLoadFailed, SkylarkError
from servers.jobs.requests import Requests
from servers.settings import settings
from servers.web.app import STOP_NOTICE_S, on_terminate
from servers.web.openapi import operation
from servers.web.requester import requests

ASK_S = 1.0
RETRY_AFTER_S = 5.0
STARTED_AT, STOPPING = "skylark.started_at", "skylark.stopping"
bp = Blueprint("readiness", __name__)


def install(app: Flask) -> None:
    """The app's uptime counts from here. Told to end it is not ready, and serves on for the notice's time."""
    app.extensions[STARTED_AT] = time.monotonic()
    app.extensions[STOP_NOTICE_S] = settings().web.stop_notice_s
    on_terminate(app, lambda: app.extensions.update({STOPPING: True}))


@bp.get("/ready")
@operation("200 when a request would be served", errors=(EngineUnavailable, ModelLoadFailed))
def ready() -> dict[str, str]:
    if current_app.extensions.get(STOPPING):
        raise EngineUnavailable("the server is stopping", retry_after_s=RETRY_AFTER_S)
    check_ready(requests())
    return {"status": "ready"}


def health(door: Requests) -> dict[str, Any]:
    """How the door, the engine and the default model are; never raises for an engine that is away.

    `loaded_models` are all that are in memory, whoever asks them. `models` are all that the door asks, in its
    order, and `passed_over` those that cannot be loaded here.
    """
    preferred = door.preferred
    model = preferred.first
    about = {"status": "degraded", "model_loaded": False, "model": model.name, "backend": model.backend}
    about["loaded_models"] = []
    about["models"] = ["/".join(each.spec.key) for each in preferred.candidates]
    about["passed_over"] = [
        {"model_type": each.model_type, "error": each.error.to_dict()} for each in preferred.passed_over
    ]
    rest: dict[str, Any]
    try:
        engine = door.client.health(timeout_s=ASK_S)
    except SkylarkError as error:
        rest = {"gpu_name": None, "device": None, "queue_depth": None, "error": error.to_dict()}
    else:
        about["status"] = engine["status"]
        about["loaded_models"] = [f"{each['type']}/{each['name']}" for each in engine["loaded_models"]]
        about["model_loaded"] = {"type": model.backend, "name": model.name} in engine["loaded_models"]
        rest = {name: engine[name] for name in ("gpu_name", "device", "queue_depth")}
        if "error" in engine:
            rest["error"] = engine["error"]
    uptime_s = round(time.monotonic() - current_app.extensions[STARTED_AT], 3)
    return about | rest | {"uptime_s": uptime_s, "limits": _limits()}


def _limits() -> dict[str, float]:
    """What a client can know before it sends something in vain."""
    limits = settings().limits
    return {name: getattr(limits, name) for name in ("max_body_mb", "max_text_chars", "max_audio_s")}


def check_ready(door: Requests) -> None:
    """Raises EngineUnavailable or ModelLoadFailed unless the engine answers, the default model can run, and
    all that are to be loaded at the start have been.

    Another model that is not loaded is ready: its first request loads it.
    """
    engine = door.client.health(timeout_s=ASK_S)
    if engine["status"] != "ok":
        why = f": {engine['error']['message']}" if "error" in engine else ""
        raise EngineUnavailable(f"the engine is {engine['status']}{why}", retry_after_s=RETRY_AFTER_S)
    model = door.preferred.first
    entries = {(entry["model_type"], entry["name"]): entry for entry in door.client.models()["models"]}
    if model.key not in entries:
        raise ModelLoadFailed(
            f"the engine does not have {model.name}", param="model", retry_after_s=RETRY_AFTER_S
        )
    for key, entry in entries.items():
        if entry["state"] == "failed" and (key == model.key or entry["awaited"]):
            message = (entry["error"] or {}).get("message", "no reason was given")
            raise ModelLoadFailed(
                f"{entry['name']} cannot run: {message}", param="model", retry_after_s=RETRY_AFTER_S
            )
        if entry["awaited"]:
            raise EngineUnavailable(f"{'/'.join(key)} is still to be loaded", retry_after_s=RETRY_AFTER_S)
