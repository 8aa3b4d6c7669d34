"""Who waits for news of what: a publisher wakes only the threads that subscribed to that topic."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Bulletin:
    """Thread-safe. News that is published between two waits of a subscriber is not missed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: dict[Hashable, set[threading.Event]] = {}

    @contextmanager
    def subscribe(self, topic: Hashable) -> Iterator[threading.Event]:
        """An event that is set by each `publish` of the topic; clear it before looking at the state."""
        bell = threading.Event()
        with self._lock:
            self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            with self._lock:
                self._bells[topic].discard(bell)
                if not self._bells[topic]:
                    del self._bells[topic]

    def publish(self, topic: Hashable) -> None:
        with self._lock:
            for bell in self._bells.get(topic, ()):
                bell.set()

    def publish_all(self) -> None:
        with self._lock:
            for bells in self._bells.values():
                for bell in bells:
                    bell.set()
