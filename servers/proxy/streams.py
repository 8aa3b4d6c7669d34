"""How many replies are in hand, each with a thread: of one visitor, of one address, and in all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from flask import Flask, current_app

from servers.errors import TooManyStreams
from servers.proxy.visitors import Visitor, visitor
from servers.settings import Proxy

EXTENSION = "skylark.streams"
RETRY_AFTER_S = 5.0
IN_ALL = ""


class Streams:
    """Thread-safe."""

    def __init__(self, proxy: Proxy) -> None:
        """A quarter of the threads is left for what is answered at once."""
        self._of_visitor, self._of_address = proxy.max_streams, proxy.max_streams * proxy.per_address
        self._in_all = max(1, proxy.threads * 3 // 4)
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, visitor: Visitor) -> Callable[[], None]:
        """Counts one more until what it returns is called, once. Raises TooManyStreams."""
        bounds = {
            f"visitor/{visitor.public_id}": (self._of_visitor, "close another tab with this page, or wait"),
            f"address/{visitor.address}": (self._of_address, "others at your address have them; wait"),
            IN_ALL: (self._in_all, "the page has many visitors; try again in a moment"),
        }
        with self._lock:
            for who, (most, advice) in bounds.items():
                if self._open[who] >= most:
                    message = f"{most} replies at the same time are as many as there may be: {advice}"
                    raise TooManyStreams(message, retry_after_s=RETRY_AFTER_S)
            self._open.update(bounds.keys())
        return partial(self._leave, list(bounds))

    def _leave(self, who: list[str]) -> None:
        with self._lock:
            self._open.subtract(who)
            for each in who:
                if self._open[each] <= 0:
                    del self._open[each]


def install(app: Flask, proxy: Proxy) -> None:
    app.extensions[EXTENSION] = Streams(proxy)


def streams() -> Streams:
    """The current app's."""
    found: Streams = current_app.extensions[EXTENSION]
    return found


@contextmanager
def in_hand() -> Iterator[None]:
    """Counts the current request among its visitor's replies, while it works. Raises TooManyStreams."""
    leave = streams().enter(visitor())
    try:
        yield
    finally:
        leave()
