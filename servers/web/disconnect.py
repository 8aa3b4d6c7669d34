"""Whether the client of a request is still there, which the worker that holds its connection knows."""

from __future__ import annotations

from collections.abc import Callable

from flask import request

from servers.web.wsgi import CONNECTED


def client_connected() -> bool:
    """Whether the client of the current request still waits; True where that cannot be known.

    A client that has closed only its sending side counts as gone.
    """
    return connection()()


def connection() -> Callable[[], bool]:
    """`client_connected` for use after the view has returned: a stream's generator has no request."""
    known: Callable[[], bool] = request.environ.get(CONNECTED, lambda: True)
    return known
