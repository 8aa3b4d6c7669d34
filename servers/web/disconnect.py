"""Whether the client of a request is still there, which the worker that holds its connection knows."""

from __future__ import annotations

from collections.abc import Callable

from flask import request

from servers.web.wsgi import CONNECTED, ON_LEAVE


def client_connected() -> bool:
    """Whether the client of the current request still waits; True where that cannot be known.

    A client that has closed only its sending side counts as gone.
    """
    return connection()()


def connection() -> Callable[[], bool]:
    """`client_connected` for use after the view has returned: a stream's generator has no request."""
    known: Callable[[], bool] = request.environ.get(CONNECTED, lambda: True)
    return known


def on_leave() -> Callable[[Callable[[], object]], None]:
    """Registers what is called, in a thread of its own, once the current request's client goes away before
    its reply was made; at once where it has gone. For use after the view has returned, too.
    """
    known: Callable[[Callable[[], object]], None] = request.environ.get(ON_LEAVE, lambda _: None)
    return known
