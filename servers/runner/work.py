"""What a runner does: loads its model, then runs batches, one at a time, in one thread."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from servers.audio.pcm import to_int16
from servers.backends.base import Backend, parse_payload
from servers.backends.load import backend_class
from servers.errors import BackendFailed, ModelLoadFailed, OutOfMemory, SkylarkError
from servers.runner.outbox import Outbox
from servers.runner.wire import Message
from servers.speech import Chunk, ModelSpec, Noun, Progress

CPU_NICENESS = 5
"""A model that computes on the CPU leaves the doors and the engine room to answer."""
log = logging.getLogger(__name__)


class Work:
    """`take` is called by the listening thread; `go_on` is the working one, which alone touches the model."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def take(self, order: Message) -> None:
        if order["op"] == "cancel":
            self._cancelled.add(order["run"])
        else:
            self._orders.put(order)

    def go_on(self) -> None:
        """Works until the process ends. After a load that failed no order comes; the engine ends it then."""
        backend = self._load(self._orders.get())
        while True:
            order = self._orders.get()
            assert backend is not None
            self._perform(backend, order["run"], order["task"], order["payloads"])
            self._outbox.put({"op": "end", "run": order["run"]})
            self._cancelled.discard(order["run"])

    def _load(self, order: Message) -> Backend | None:
        model = ModelSpec.model_validate(order["model"])
        if order["device"] == "cpu":
            os.nice(CPU_NICENESS)
        try:
            backend = backend_class(model.backend, [Path(path) for path in order["backends_path"]])()
            about = backend.load(model, order["device"])
            if order["warmup_text"] is not None:
                backend.warm_up(order["warmup_text"])
        except Exception as error:  # noqa: BLE001 - whatever a model library raises is the answer
            self._outbox.put({"op": "failed", "error": _typed(error, ModelLoadFailed).to_dict()})
            return None
        self._outbox.put({"op": "ready", "about": about.model_dump(mode="json")})
        return backend

    def _perform(self, backend: Backend, run: int, task: str, payloads: list[dict[str, Any]]) -> None:
        try:
            requests = [parse_payload(type(backend), payload) for payload in payloads]
            with closing(getattr(backend, task)(requests)) as items:
                self._report(run, items)
        except Exception as error:  # noqa: BLE001 - the engine decides what becomes of the batch
            failure = _typed(error, BackendFailed).to_dict()
            self._outbox.put({"op": "broken", "run": run, "error": failure})

    def _report(self, run: int, items: Iterable[tuple[int, Any]]) -> None:
        for index, item in items:
            if run in self._cancelled:
                return
            frame, payload = _frame(item)
            self._outbox.put({**frame, "run": run, "index": index}, payload)


def _frame(item: Chunk | Progress | Noun | SkylarkError) -> tuple[Message, bytes]:
    match item:
        case Chunk():
            pcm = to_int16(item.samples).astype("<i2", copy=False).tobytes()
            return {"op": "chunk", "sample_rate": item.sample_rate}, pcm
        case Progress():
            return {"op": "progress", "fraction": item.fraction}, b""
        case SkylarkError():
            return {"op": "error", "error": item.to_dict()}, b""
        case Noun():
            return {"op": "result", "result": item.model_dump(mode="json")}, b""


def _typed(error: Exception, otherwise: type[SkylarkError]) -> SkylarkError:
    if isinstance(error, SkylarkError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        return OutOfMemory(f"{type(error).__name__}: {error}")
    log.error("a model raised", extra={"action": "model_raised"}, exc_info=error)
    return otherwise(f"{type(error).__name__}: {error}")
