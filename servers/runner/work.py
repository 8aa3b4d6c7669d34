"""What a runner does: loads its model, then works on its runs, one at a time, in one thread."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from servers.audio.pcm import to_int16
from servers.backends.base import Backend, Saved, taken_up
from servers.backends.load import backend_class
from servers.errors import BackendFailed, ModelLoadFailed, OutOfMemory, SkylarkError
from servers.runner.current_run import CurrentRun
from servers.runner.outbox import Fraction, Outbox, PcmChunk
from servers.runner.wire import Message
from servers.speech import Chunk, ModelSpec, Noun, Progress, Segment

CPU_NICENESS = 5
"""A model that computes on the CPU leaves the doors and the engine room to answer."""
log = logging.getLogger(__name__)


class Work:
    """`take` is called by the listening thread; `go_on` is the working one, which alone touches the model."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._load_order: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._queue: queue.SimpleQueue[CurrentRun] = queue.SimpleQueue()
        self._runs: dict[int, CurrentRun] = {}

    def take(self, order: Message) -> None:
        if order["op"] == "load":
            self._load_order.put(order)
        elif order["op"] == "run":
            run = CurrentRun(order["run"], order["task"], order["payloads"], self._outbox)
            self._runs[run.number] = run
            self._queue.put(run)
        elif (run_now := self._runs.get(order["run"])) is not None:  # else it has ended in the meantime
            run_now.take(order)

    def go_on(self) -> None:
        """Works until the process ends. After a load that failed no order comes; the engine ends it then."""
        backend = self._load(self._load_order.get())
        while True:
            run = self._queue.get()
            assert backend is not None
            self._perform(backend, run)
            del self._runs[run.number]
            self._outbox.put({"op": "end", "run": run.number, "taken": run.taken})

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

    def _perform(self, backend: Backend, run: CurrentRun) -> None:
        """Requests that came too late for the generator are given to another one."""
        try:
            while run.is_open:
                for index, item in self._items(backend, run):
                    self._say(run.number, index, item)
        except Exception as error:  # noqa: BLE001 - the engine decides what becomes of the batch
            failure = _typed(error, BackendFailed).to_dict()
            self._outbox.put({"op": "broken", "run": run.number, "error": failure, "taken": run.taken})

    def _items(self, backend: Backend, run: CurrentRun) -> Iterator[tuple[int, Any]]:
        """What the backend yields of the requests that are there, by their indexes in the run."""
        kind, task = type(backend), run.task
        requests = run.begin(lambda payload: taken_up(kind, payload))
        more: dict[str, Any] = {"arrivals": run} if task in kind.takes_arrivals else {}
        more |= {"steps": run} if task in kind.preemptible else {}
        with closing(getattr(backend, task)(requests, **more)) as items:
            for place, item in items:
                if run.is_cancelled:
                    return
                yield run.index_of(place), item

    def _say(self, run: int, index: int, item: Chunk | Progress | Noun | SkylarkError) -> None:
        of_request = {"run": run, "index": index}
        match item:
            case Chunk():
                pcm = to_int16(item.samples).astype("<i2", copy=False).tobytes()
                words = [word.model_dump() for word in item.words]
                self._outbox.put_chunk(PcmChunk(run, index, int(item.sample_rate), pcm, words))
            case Progress():
                self._outbox.put_fraction(Fraction(run, index, float(item.fraction), item.details))
            case Segment():
                self._outbox.put({"op": "segment", "segment": item.model_dump(mode="json")} | of_request)
            case SkylarkError():
                self._outbox.put({"op": "error", "error": item.to_dict()} | of_request)
            case Saved():
                self._outbox.put({"op": "saved"} | of_request)
            case Noun():
                self._outbox.put({"op": "result", "result": item.model_dump(mode="json")} | of_request)


def _typed(error: Exception, otherwise: type[SkylarkError]) -> SkylarkError:
    if isinstance(error, SkylarkError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        return OutOfMemory(f"{type(error).__name__}: {error}")
    log.error("a model raised", extra={"action": "model_raised"}, exc_info=error)
    return otherwise(f"{type(error).__name__}: {error}")
