"""A proxy of its own, as it really runs, and a visitor who asks it over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.acceptance.processes import START_S, Process, Session, eventually, free_port

HTTP_S = 20.0


class Visitor:
    """With the cookie and the token of a page, over real HTTP."""

    def __init__(self, url: str) -> None:
        self.url, self.http = url, Session()
        welcome = self.http.get(f"{url}/api/visitor")
        assert welcome.status_code == 200, welcome.text
        self.csrf: str = welcome.json()["csrf"]
        (cookie,) = welcome.cookies
        self.headers = {"Origin": url, "X-CSRF-Token": self.csrf, "Cookie": f"{cookie.name}={cookie.value}"}
        self.http.cookies.clear()

    def get(self, path: str, **options) -> requests.Response:
        return self.http.get(f"{self.url}{path}", headers=self.headers, **options)

    def post(self, path: str, headers: dict[str, str] | None = None, **options) -> requests.Response:
        return self.http.post(f"{self.url}{path}", headers=self.headers | (headers or {}), **options)

    def begin(
        self, path: str, body: bytes = b"", promised: int | None = None, method: str = "POST"
    ) -> socket.socket:
        """Sends a request and hands out the connection, for who leaves or reads byte by byte; `promised` is
        the length that it says, where that is not the body's.
        """
        port = int(self.url.rpartition(":")[2])
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        head = "\r\n".join([*lines, f"Content-Length: {promised or len(body)}", "", ""])
        sock = socket.create_connection(("127.0.0.1", port), HTTP_S)
        sock.sendall(head.encode() + body)
        return sock


class Proxy:
    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "proxy.log"
        environment = {"SKYLARK_DATA_DIR": str(folder), "SKYLARK_PROXY__PORT": str(self.port), **settings}
        self.process = Process("servers.proxy", environment, self.log)

    def answers(self) -> bool:
        assert self.process.process.is_running(), self.log.read_text()
        try:
            return requests.get(f"{self.url}/ready", timeout=HTTP_S).ok
        except requests.ConnectionError:
            return False


@contextmanager
def running_proxy(folder: Path, **settings: str) -> Iterator[Proxy]:
    proxy = Proxy(folder, **settings)
    try:
        eventually(proxy.answers, "the proxy serves", START_S)
        yield proxy
    finally:
        proxy.process.end()
