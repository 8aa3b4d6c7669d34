"""How many requests to /v1/tts wait for each model, and when to come back where they are too many."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from servers.backends.load import backend_class
from servers.errors import QueueFull
from servers.jobs.requests import Requests
from servers.settings import Settings
from servers.speech import ModelSpec

TOLD_S = 1.0
UNKNOWN_S = 1.0
"""What a job is taken to last where none of its model has ended lately."""
Key = tuple[str, str]


class Backlog:
    """Thread-safe. `most_waiting` is for each model; None is no limit."""

    def __init__(self, most_waiting: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_waiting, self._clock = most_waiting, clock
        self._told: dict[Key, tuple[float, float]] = {}
        self._in_hand: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def enter(self, model: Key, places: int, wait_s: Callable[[], float]) -> Place:
        """Counts a request in. So many of a model's are worked on as it has `places`; the rest wait.

        Raises QueueFull, to come back after `wait_s()`.
        """
        with self._lock:
            waiting = self._in_hand[model] - places
            admitted = self._most_waiting is None or waiting < self._most_waiting
            self._in_hand[model] += admitted
        if not admitted:
            message = f"{waiting} requests wait for {'/'.join(model)}; at most {self._most_waiting} may"
            raise QueueFull(message, retry_after_s=self._lately(model, wait_s))
        return Place(self, model)

    def _lately(self, model: Key, wait_s: Callable[[], float]) -> float:
        """Asked once in TOLD_S, however many are turned away: an engine that is busy is left to its work."""
        now = self._clock()
        told = self._told.get(model)
        if told is None or now - told[0] > TOLD_S:
            told = self._told[model] = now, wait_s()
        return told[1]

    def leave(self, model: Key) -> None:
        with self._lock:
            self._in_hand[model] -= 1


class Place:
    """One request's, until it is left; a second time does nothing."""

    def __init__(self, backlog: Backlog, model: Key) -> None:
        self._backlog: Backlog | None = backlog
        self._model = model

    def leave(self) -> None:
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.leave(self._model)


def places_of(model: ModelSpec, settings: Settings) -> int:
    """How many requests the model works on at the same time."""
    kind = backend_class(model.backend, settings.backends_path)
    own = kind.batch_limit(kind.options.model_validate(model.options))
    most = settings.engine.max_concurrency_per_model
    return own if most is None else min(own, most)


def backlog_s(door: Requests, model: ModelSpec, places: int) -> float:
    """When what the engine has queued for the model will have been spoken. Raises EngineUnavailable."""
    return expected_s(door.client.queue(), model.key, places)


def expected_s(queue: Mapping[str, Any], model: Key, places: int) -> float:
    """The jobs that wait, times how long the model's last ones took, over how many run together."""

    def of_model(entry: Mapping[str, Any]) -> bool:
        return (entry["model_type"], entry["model"]) == model

    waiting = sum(entry["count"] for entry in queue["waiting"] if of_model(entry))
    done = [job for job in queue["recent"] if of_model(job) and job["status"] == "done"]
    took = [job["finished_at"] - job["started_at"] for job in done]
    mean_s = sum(took) / len(took) if took else UNKNOWN_S
    return float(waiting * mean_s / places)
