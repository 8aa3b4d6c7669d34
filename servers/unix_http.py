"""HTTP over a Unix socket: urllib3's connection pool, connected to a path."""

from __future__ import annotations

import socket
from pathlib import Path

from urllib3 import HTTPConnectionPool, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

POOL = 512
"""Connections that are kept open: as many as a door has threads."""


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(self.timeout)
        try:
            sock.connect(str(self._path))
        except OSError as error:
            sock.close()
            raise NewConnectionError(self, f"{self._path}: {error.strerror}") from error
        return sock


class UnixPool(HTTPConnectionPool):
    """Kept-alive connections to one Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("engine", timeout=Timeout(timeout_s), maxsize=POOL, retries=False)
        self._path = path

    def _new_conn(self) -> UnixConnection:
        return UnixConnection(self._path, timeout=None)
