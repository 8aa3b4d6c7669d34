"""The models by hand: what each is at, loading and unloading, pins, and how long an idle one stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.loop import Loop
from servers.engine.models import ModelState, Phase
from servers.engine.news import News
from servers.engine.runner_events import MODELS
from servers.engine.scheduler import Model
from servers.errors import Conflict


class ModelControl:
    """Thread-safe. A model is called "name" or "backend/name"."""

    def __init__(
        self,
        catalog: Catalog,
        backends_path: Sequence[Path],
        loop: Loop,
        news: News,
        load_timeout_s: float,
        ticks: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalog, self._backends_path, self._load_timeout_s = catalog, backends_path, load_timeout_s
        self._loop, self._news = loop, news
        self._ticks, self._clock = ticks, clock

    def load(self, name: str, connected: Callable[[], bool]) -> dict[str, Any]:
        """The model once it is ready or has failed."""
        model = self._catalog.find(name).key
        self._loop.do(lambda fleet: fleet.want(model))
        return self._settled(model, lambda state: _name_of(state) in ("ready", "failed"), connected)

    def unload(self, name: str, connected: Callable[[], bool]) -> dict[str, Any]:
        """The model once its memory is free. Raises Conflict while it has work in hand, or is held."""
        model = self._catalog.find(name).key
        self._loop.do(lambda fleet: fleet.unload(model))
        self._refuse_one_that_stays(self._loop.models()[model])
        return self._settled(model, lambda state: state.phase is not Phase.LEAVING, connected)

    def _refuse_one_that_stays(self, state: ModelState) -> None:
        if state.run is not None:
            raise Conflict(f"{state.name} has work in hand: cancel its job, or unload it afterwards")
        held_s = state.held_s(self._ticks())
        if held_s and state.is_resident:
            until = datetime.fromtimestamp(self._clock() + held_s, UTC).isoformat(timespec="seconds")
            raise Conflict(
                f"{state.name} is held until {until}, for {held_s:.1f} s, and its hold may be renewed: "
                "end the sessions that use it, or unload it afterwards",
                retry_after_s=held_s,
            )

    def hold(self, name: str, seconds: float) -> dict[str, Any]:
        """The model, which does not leave within that time; a longer hold of somebody else's stays."""
        model = self._catalog.find(name).key
        self._loop.do(lambda fleet: fleet.hold(model, seconds))
        return self._described(model)

    def pin(self, name: str, *, pinned: bool) -> dict[str, Any]:
        model = self._catalog.find(name).key
        self._loop.do(lambda fleet: fleet.pin(model, pinned))
        return self._described(model)

    def keep_idle_for(self, seconds: float) -> None:
        self._loop.do(lambda fleet: fleet.set_keep_alive(seconds))

    def idle_timeout_s(self) -> float:
        return self._loop.keep_alive_s

    def all(self) -> list[dict[str, Any]]:
        return [self._description(model) for model in self._loop.models().values()]

    def _described(self, model: Model) -> dict[str, Any]:
        return self._description(self._loop.models()[model])

    def _description(self, model: ModelState) -> dict[str, Any]:
        return {
            "model_type": model.spec.backend,
            "name": model.spec.name,
            "default": self._catalog.resolve(model.spec.backend).key == model.key,
            "tasks": list(backend_class(model.spec.backend, self._backends_path).requests),
            "state": _name_of(model),
            "pinned": model.pinned,
            "held_s": round(model.held_s(self._ticks()), 3),
            "awaited": model.awaited,
            "vram_mb": model.spec.vram_mb,
            "about": model.about.model_dump(mode="json") if model.about else None,
            "error": model.load_error.to_dict() if model.load_error else None,
        }

    def _settled(
        self, model: Model, is_settled: Callable[[ModelState], bool], connected: Callable[[], bool]
    ) -> dict[str, Any]:
        """The model as soon as it has settled, or as it is after load_timeout_s."""
        deadline = self._ticks() + self._load_timeout_s
        for _ in self._news.watch(MODELS, deadline, connected):
            found = self._loop.models()[model]
            if is_settled(found):
                break
        return self._description(found)


def _name_of(model: ModelState) -> str:
    """In the API's words, which know nothing of what a ready model does."""
    if model.phase is Phase.LOADING:
        return "loading"
    if model.is_resident:
        return "ready"
    return "unloaded" if model.load_error is None else "failed"
