"""An app behind a listener on loopback, its event loop in a thread, and clients that speak raw HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any

from flask import Flask

from servers.web.bounds import Bounds
from servers.web.listener import Listener

WITHIN_S = 30.0


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Served:
    def __init__(self, app: Flask, bounds: Bounds, threads: int) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self._clients: list[Client] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.listener = Listener(app, self._sock, bounds, threads)
        self._in_loop(self.listener.start())

    def _in_loop(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WITHIN_S)

    def look(self, now: float) -> None:
        """As its worker does each second."""

        async def look() -> None:
            self.listener.look(now)

        self._in_loop(look())

    def settle(self) -> None:
        """Returns when no request is in hand: a client has its reply a moment before."""
        eventually(lambda: "working" not in self.phases())

    def phases(self) -> list[str]:
        return [each.phase.value for each in list(self.listener._connections)]

    def unsent(self) -> int:
        return sum(each.unsent() for each in list(self.listener._connections))

    def spooled(self) -> int:
        return self.listener._spooled_size

    def stop(self) -> None:
        self._in_loop(self.listener.stop())

    def client(self) -> Client:
        client = Client(socket.create_connection(("127.0.0.1", self.port), WITHIN_S))
        self._clients.append(client)
        return client

    def end(self) -> None:
        for client in self._clients:
            client.sock.close()
        self._in_loop(self._end())
        listener = self.listener
        for threads in (listener._threads, listener._probe_threads, listener._talk_threads):
            threads.shutdown(wait=True)
        self._in_loop(asyncio.sleep(0))  # the last requests are heard to be done
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WITHIN_S)
        self.loop.close()

    async def _end(self) -> None:
        self.listener.end()
        await asyncio.sleep(0)  # connections are closed in the loop's next round


class _Unclosed(io.BufferedReader):
    """What one reply has read ahead is the next one's."""

    def close(self) -> None:
        """A reply that was read closes what it was read from."""


class Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = _Unclosed(socket.SocketIO(sock, "r"))

    def makefile(self, *_mode: object) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return self._file

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, path: str, body: bytes = b"", *headers: str, method: str | None = None) -> HTTPResponse:
        self.send(request(path, body, *headers, method=method))
        return self.answer(method or "GET")

    def answer(self, method: str = "GET") -> HTTPResponse:
        """The next reply, whole. Raises what http.client does if there is none."""
        reply = HTTPResponse(self, method=method)  # type: ignore[arg-type]
        reply.begin()
        return reply

    def is_cut_off(self, replies: int) -> bool:
        """Whether fewer replies come whole."""
        try:
            for _ in range(replies):
                self.answer().read()
        except (HTTPException, ConnectionResetError):
            return True
        return False

    def closed(self) -> bool:
        """Whether nothing more comes."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


def request(path: str, body: bytes = b"", *headers: str, method: str | None = None) -> bytes:
    method = method or ("POST" if body else "GET")
    lines = [f"{method} {path} HTTP/1.1", "Host: toys", *headers]
    if body and not any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def error_of(reply: HTTPResponse) -> dict[str, Any]:
    """The typed error of a reply, which says its status too."""
    return {"status": reply.status} | json.loads(reply.read())["error"]


@contextmanager
def serving(
    app: Flask, *, connections: int = 100, per_address: int = 100, websockets: int = 10, threads: int = 4
) -> Iterator[Served]:
    served = Served(app, Bounds(connections, per_address, websockets), threads)
    try:
        yield served
    finally:
        served.end()
