"""Whether the client of a request is still there, by looking at its socket."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from flask import request


def client_connected() -> bool:
    """Whether the client of the current request still waits; True where that cannot be known."""
    return connection()()


def connection() -> Callable[[], bool]:
    """`client_connected` for use after the view has returned: a stream's generator has no request."""
    sock: socket.socket | None = request.environ.get("gunicorn.socket")
    return lambda: sock is None or _is_open(sock)


def _is_open(sock: socket.socket) -> bool:
    """Reads nothing away: the next request on a kept-alive connection stays where it is.

    A client that has closed only its sending side counts as gone. TLS never ends here.
    """
    try:
        waiting = select.poll()
        waiting.register(sock, select.POLLIN)
        if not waiting.poll(0):
            return True
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except (OSError, ValueError):  # reset, or closed and without a descriptor
        return False
