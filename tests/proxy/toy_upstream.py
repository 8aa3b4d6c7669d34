"""A server in the place of Skylark's, over real HTTP: it does what the test says, byte by byte."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

WITHIN_S = 20.0


@dataclass
class Asked:
    """A request as it came. `gone` is set once its client has closed the connection."""

    line: str
    headers: dict[str, str]
    body: bytes
    gone: threading.Event = field(default_factory=threading.Event)


@dataclass
class Talk:
    """A connection, from the toy's side."""

    sock: socket.socket
    asked: Asked

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(self, kind: str, status: str = "200 OK", more: str = "") -> None:
        """As Skylark's servers answer who asks for one reply alone."""
        framed = f"{more}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{framed}".encode())

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self.send(b"0\r\n\r\n")

    def whole(
        self, body: bytes, kind: str = "application/json", status: str = "200 OK", more: str = ""
    ) -> None:
        self.send(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
        )
        self.send(body)

    def wait_until_gone(self) -> None:
        """Until the client closes; for as long as a test may take."""
        try:
            more = self.sock.recv(1)
        except (ConnectionResetError, ssl.SSLError):
            more = b""
        if more == b"":
            self.asked.gone.set()


Does = Callable[[Talk], None]


class Toy:
    """`does` is what it does with the next requests; all that came are in `asked`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}" if tls is None else f"https://localhost:{self.port}"
        self.asked: list[Asked] = []
        self.came = threading.Condition()
        self.does: Does = lambda talk: talk.whole(b"{}")
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(WITHIN_S)

    def last(self) -> Asked:
        """The request that came last; one has to come."""
        with self.came:
            assert self.came.wait_for(lambda: self.asked, WITHIN_S), "nobody asked"
            return self.asked[-1]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _secured(self, sock: socket.socket) -> socket.socket:
        sock.settimeout(WITHIN_S)
        if self._tls is None:
            return sock
        with sock:  # which hands its descriptor over, or is closed where that fails
            return self._tls.wrap_socket(sock, server_side=True)

    def _serve(self, sock: socket.socket) -> None:
        with suppress(ConnectionError, TimeoutError, ssl.SSLError), self._secured(sock) as sock:
            asked = _read(sock)
            if asked is None:
                return
            with self.came:
                self.asked.append(asked)
                self.came.notify_all()
            self.does(Talk(sock, asked))


def _read(sock: socket.socket) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65_536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        part = sock.recv(65_536)
        if not part:
            return None
        body += part
    return Asked(line, headers, body)


@contextmanager
def toy_upstream(tls: ssl.SSLContext | None = None) -> Iterator[Toy]:
    toy = Toy(tls)
    try:
        yield toy
    finally:
        toy.close()
