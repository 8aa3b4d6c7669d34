"""Who waits for news of what: a publisher wakes only the threads that watch that topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

GLANCE_S = 1.0
"""How often a thread that waits looks whether anybody still wants what it waits for."""


TOPICS_OF_A_JOB = ("ended", "audio", "segments", "events")
"""What is told of a job that ends or returns to the queue: to pollers, listeners, readers, watchers."""


def always() -> bool:
    return True


class News:
    """Thread-safe. `ticks` is a clock that never jumps, in seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._bells: dict[Hashable, set[threading.Event]] = {}
        self.closed = False

    def watch(
        self,
        topic: Hashable,
        until: float | None = None,
        wanted: Callable[[], bool] = always,
        every_s: float = GLANCE_S,
    ) -> Iterator[bool]:
        """Yields at once, then whenever there is news of the topic (True) or `every_s` have passed (False).

        Look at the state in the loop's body: news that comes between two looks is not missed. Ends at
        `until` of the clock after a last look, when nobody wants it any more, and when the news are closed.
        """
        with self._bell(topic) as bell:
            fresh = True
            while True:
                bell.clear()
                is_last = self.closed
                yield fresh
                left_s = every_s if until is None else min(every_s, until - self._ticks())
                if is_last or left_s <= 0 or not wanted():
                    return
                fresh = bell.wait(left_s)

    @contextmanager
    def _bell(self, topic: Hashable) -> Iterator[threading.Event]:
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

    def tell(self, job_id: str) -> None:
        """There is news of the job, for whoever watches it for whatever reason."""
        for topic in TOPICS_OF_A_JOB:
            self.publish((topic, job_id))

    def close(self) -> None:
        """There will be no more: whoever watches looks once more, and ends."""
        self.closed = True
        with self._lock:
            for bells in self._bells.values():
                for bell in bells:
                    bell.set()
