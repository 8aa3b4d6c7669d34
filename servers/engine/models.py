"""The models from outside: what is loaded, loading and unloading by hand, pins, and the idle time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from flask import Blueprint, Response, current_app, jsonify, request
from pydantic import Field

from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.loop import Loop
from servers.engine.scheduler import Model
from servers.errors import Conflict
from servers.settings import Settings
from servers.speech import Noun
from servers.web.body import json_body
from servers.web.disconnect import client_connected

bp = Blueprint("models", __name__)
EXTENSION = "skylark.models"
GLANCE_S = 1.0


class GpuConfig(Noun):
    """The body of PUT /gpu/config, in seed 002's word; 0 keeps models for ever."""

    idle_timeout_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelDesk:
    """Thread-safe. A model is called "name" or "backend/name"."""

    def __init__(
        self, settings: Settings, catalog: Catalog, loop: Loop, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._catalog, self._loop, self._ticks = settings, catalog, loop, ticks

    def load(self, name: str, connected: Callable[[], bool]) -> dict[str, Any]:
        """The model once it is ready or has failed."""
        model = self._catalog.find(name).key
        self._loop.do(lambda fleet: fleet.want(model))
        return self._settled(model, ("ready", "failed"), connected)

    def unload(self, name: str, connected: Callable[[], bool]) -> dict[str, Any]:
        """The model once its memory is free. Raises Conflict while it has work in hand."""
        model = self._catalog.find(name).key
        if model in {runner.model for runner in self._loop.fleet.computing()}:
            raise Conflict(f"{'/'.join(model)} has work in hand: cancel its job, or unload it afterwards")
        self._loop.do(lambda fleet: fleet.unload(model))
        return self._settled(model, ("unloaded", "failed"), connected)

    def pin(self, name: str, *, pinned: bool) -> dict[str, Any]:
        model = self._catalog.find(name).key
        self._loop.do(lambda fleet: fleet.pin(model, pinned))
        return self.describe(model)

    def configure(self, config: GpuConfig) -> None:
        self._loop.do(lambda fleet: fleet.set_keep_alive(config.idle_timeout_seconds))

    def idle_timeout_s(self) -> float:
        return self._loop.fleet.policy.keep_alive_s

    def all(self) -> list[dict[str, Any]]:
        return [self.describe(spec.key) for spec in self._catalog]

    def describe(self, model: Model) -> dict[str, Any]:
        fleet = self._loop.fleet
        runner, about, error = fleet.runners.get(model), fleet.abouts.get(model), fleet.load_errors.get(model)
        state = "unloaded" if error is None else "failed"
        if runner is not None:
            state = "loading" if runner.loading else "ready"
        return {
            "model_type": model[0],
            "name": model[1],
            "default": self._catalog.resolve(model[0]).key == model,
            "tasks": list(backend_class(model[0], self._settings.backends_path).requests),
            "state": state,
            "pinned": model in fleet.pinned,
            "vram_mb": self._catalog.resolve(*model).vram_mb,
            "about": about.model_dump(mode="json") if about else None,
            "error": error.to_dict() if error else None,
        }

    def _settled(self, model: Model, states: Sequence[str], connected: Callable[[], bool]) -> dict[str, Any]:
        """The model as soon as it is in one of the states, or as it is after load_timeout_s."""
        deadline = self._ticks() + self._settings.engine.load_timeout_s
        with self._loop.bulletin.subscribe("models") as bell:
            while True:
                bell.clear()
                found = self.describe(model)
                left_s = deadline - self._ticks()
                if found["state"] in states or left_s <= 0 or self._loop.ended or not connected():
                    return found
                bell.wait(min(left_s, GLANCE_S))


def desk() -> ModelDesk:
    found: ModelDesk = current_app.extensions[EXTENSION]
    return found


@bp.get("/models")
def models() -> Response:
    return jsonify(models=desk().all())


@bp.post("/models/<path:name>/load")
def load(name: str) -> dict[str, Any]:
    return desk().load(name, client_connected)


@bp.post("/models/<path:name>/unload")
def unload(name: str) -> dict[str, Any]:
    return desk().unload(name, client_connected)


@bp.route("/models/<path:name>/pin", methods=["POST", "DELETE"])
def pin(name: str) -> dict[str, Any]:
    return desk().pin(name, pinned=request.method == "POST")


@bp.put("/gpu/config")
def configure() -> dict[str, Any]:
    desk().configure(json_body(GpuConfig))
    return {"idle_timeout_seconds": desk().idle_timeout_s()}
