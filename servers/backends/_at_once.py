"""Requests that are worked on at once, each in a thread: for libraries that compute without Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from servers.backends._arrivals import NumberedArrivals
from servers.backends.base import Arrivals
from servers.errors import SkylarkError
from servers.speech import Noun

Serving = Generator[Any, None, None]
"""The items of one request."""
Serve = Callable[[Any], Serving]
Numbered = Iterable[tuple[int, Noun]]
Items = Iterator[tuple[int, Any]]
END = object()
"""What a request's generator has yielded once it has nothing more."""


def at_once(requests: Sequence[Noun], serve: Serve, most: int, arrivals: Arrivals | None = None) -> Items:
    """What a task's generator yields where `most` requests at a time are served, each in its order.

    `serve` gives the items of one request, one thread at a time, and raises a SkylarkError that concerns it
    alone. Closing this generator waits until each thread has its next item.
    """
    asked = NumberedArrivals(arrivals, len(requests))
    with ThreadPoolExecutor(most, thread_name_prefix="at-once") as pool:
        work = _Work(pool, serve, most)
        asked.notify(work.look_up)
        try:
            work.add(enumerate(requests))
            while True:
                work.add(asked.joined())
                work.drop(asked.gone)
                if not work.is_over:
                    yield from work.said()
                elif not asked.came:
                    return
        finally:
            work.close()


class _Work:
    """The requests of one batch: those that wait, and those of which a thread makes the next item."""

    def __init__(self, pool: ThreadPoolExecutor, serve: Serve, most: int) -> None:
        self._pool, self._serve, self._most = pool, serve, most
        self._waiting: deque[tuple[int, Noun]] = deque()
        self._served: dict[int, Serving] = {}
        self._gone: set[int] = set()
        self._said: SimpleQueue[tuple[int, Any] | None] = SimpleQueue()
        """The next item of each request that is being served; None to look up from waiting for it."""

    @property
    def is_over(self) -> bool:
        return not self._waiting and not self._served

    def add(self, numbered: Numbered) -> None:
        self._waiting += numbered
        self._begin()

    def drop(self, gone: set[int]) -> None:
        self._gone = gone
        self._waiting = deque(each for each in self._waiting if each[0] not in gone)

    def look_up(self) -> None:
        """Called by any thread."""
        self._said.put(None)

    def said(self) -> Items:
        """Waits for the next item of any request; nothing is yielded where there is none of it to tell."""
        said = self._said.get()
        if said is None:
            return
        index, item = said
        is_wanted = index not in self._gone
        if is_wanted and item is not END and not isinstance(item, BaseException):
            yield index, item
            self._go_on(index)
            return
        self._served.pop(index).close()
        self._begin()
        if isinstance(item, SkylarkError) and is_wanted:
            yield index, item
        elif isinstance(item, BaseException) and not isinstance(item, SkylarkError):
            raise item

    def close(self) -> None:
        self._pool.shutdown()
        for items in self._served.values():
            items.close()

    def _begin(self) -> None:
        while self._waiting and len(self._served) < self._most:
            index, request = self._waiting.popleft()
            self._served[index] = self._serve(request)
            self._go_on(index)

    def _go_on(self, index: int) -> None:
        self._pool.submit(self._next, index, self._served[index])

    def _next(self, index: int, items: Serving) -> None:
        try:
            item = next(items, END)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the item raises it
            item = error
        self._said.put((index, item))
