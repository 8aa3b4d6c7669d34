"""One request to an upstream, on a connection of its own: so it can be ended from another thread at any time,
also while no byte flows.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from servers.errors import DeadlineExceeded, UpstreamFailed, UpstreamRefused, UpstreamUnreachable

CHUNK_BYTES = 65_536
MOST_BYTES = 16_000_000
"""Of a reply that is read whole."""
LONGEST_S = 7_200.0
"""How long a reply may go on that never falls silent."""
RETRY_AFTER_S = 5.0
FAILURES = (OSError, HTTPError, http.client.HTTPException, ValueError)
"""What urllib3, http.client and the operating system raise."""
FRAMED = ("content-length", "transfer-encoding")
"""Of a reply that says where it ends, so that half of it is not taken for the whole."""
Body = bytes | Iterable[bytes] | IO[bytes]
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """A reply that is there whole. Its headers' names are in lower case."""

    whose: str
    status: int
    headers: Headers
    content: bytes

    def json(self) -> dict[str, Any]:
        """Raises UpstreamFailed where it is no JSON object."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self.not_ours()
        return found

    @property
    def error(self) -> dict[str, Any] | None:
        """That of a Skylark server, {"code", "message", …}; None where it is none of ours."""
        try:
            error = self.json().get("error")
        except UpstreamFailed:  # a load balancer's own page
            return None
        is_ours = isinstance(error, dict) and all(
            isinstance(error.get(name), str) for name in ("code", "message")
        )
        return error if is_ours else None

    def not_ours(self) -> UpstreamFailed:
        return UpstreamFailed(f"{self.whose} answered {self.status}, and not as a Skylark server does")


class Call:
    """`send` once; `abort` from any thread, at any time. Close it."""

    def __init__(self, whose: str, connection: HTTPConnection) -> None:
        """`whose` is what people call whom it is to. The connection's timeout is for connecting."""
        self.whose = whose
        self._connection = connection
        self._sock: socket.socket | None = None
        """The connection itself lets go of it once the head of a last reply has come."""
        self._response: HTTPResponse | None = None
        self._lock = threading.Lock()
        self._aborted = self._closed = False

    def send(self, method: str, path: str, headers: Headers, body: Body | None, timeout_s: float) -> None:
        """Until the head of its reply is there, which no byte comes for `timeout_s` at most. Raises
        UpstreamFailed and its kinds, and DeadlineExceeded. No redirect is followed: the key is for whom it
        was asked.
        """
        with self._failures(connecting=True):
            self._connection.connect()
        self._sock = self._connection.sock
        self._check()
        self._connection.timeout = timeout_s
        self._set_timeout(timeout_s)
        with self._failures():
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before the end
                self._connection.request(method, path, body, headers, preload_content=False)
            self._response = self._connection.getresponse()
        self._check_taken()

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Headers:
        return {name.lower(): value for name, value in self._reply.headers.items()}

    def chunks(self) -> Iterator[bytes]:
        """Its reply's body, as it comes. Raises UpstreamFailed where it breaks off, and DeadlineExceeded."""
        ends_at = time.monotonic() + LONGEST_S
        while True:
            with self._failures():
                chunk = self._reply.read1(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk
            if time.monotonic() > ends_at:
                raise DeadlineExceeded(f"the reply of {self.whose} does not come to an end")

    def answer(self, timeout_s: float) -> Answer:
        """Its reply, whole; it is closed then. Raises as `chunks` does."""
        ends_at = time.monotonic() + timeout_s
        content = bytearray()
        with self:
            for chunk in self.chunks():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise UpstreamFailed(f"{self.whose} answered more than can be an answer")
                if time.monotonic() > ends_at:
                    raise DeadlineExceeded(f"{self.whose} did not answer in time")
        return Answer(self.whose, self.status, self.headers, bytes(content))

    @property
    def aborted(self) -> bool:
        return self._aborted

    def abort(self) -> None:
        """Nobody wants it any more: whoever waits for it is woken, and the other side is told."""
        with self._lock:
            self._aborted = True
            if not self._closed and self._sock is not None:
                with suppress(OSError):  # it has gone already
                    # not the method of a TLS socket, which is no other thread's
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._response is not None:
                self._response.close()
            self._connection.close()

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _reply(self) -> HTTPResponse:
        assert self._response is not None, "nothing was sent"
        return self._response

    def _set_timeout(self, timeout_s: float) -> None:
        if self._sock is not None:
            self._sock.settimeout(timeout_s)

    def _check(self) -> None:
        with self._lock:
            if self._aborted:
                raise UpstreamFailed("nobody waits for it any more")

    def _check_taken(self) -> None:
        if self.status == 401:
            raise UpstreamRefused(
                f"{self.whose} does not take the proxy's key: set TTS_API_KEY, where the proxy runs, to one "
                "that it takes"
            )
        if 300 <= self.status < 400:
            raise UpstreamFailed(
                f"{self.whose} is not where the proxy asks for it: it answered {self.status}, which leads "
                "elsewhere; its URL in server_config.json has to be the one that serves"
            )
        if self.status != 204 and not any(name in self.headers for name in FRAMED):
            raise self._no_answer()

    @contextmanager
    def _failures(self, *, connecting: bool = False) -> Iterator[None]:
        """FAILURES as what they mean."""
        try:
            yield
        except FAILURES as error:
            self._check()
            is_late = isinstance(_root(error), TimeoutError)
            if connecting:
                raise self._unreachable("it does not answer" if is_late else _reason(error)) from error
            if is_late:
                raise DeadlineExceeded(f"{self.whose} did not answer in time") from error
            raise self._no_answer() from error

    def _no_answer(self) -> UpstreamFailed:
        return UpstreamFailed(f"{self.whose} broke off, or answered no HTTP")

    def _unreachable(self, why: str) -> UpstreamUnreachable:
        return UpstreamUnreachable(
            f"{self.whose} cannot be reached: {why}. Is it running?", retry_after_s=RETRY_AFTER_S
        )


def _root(error: BaseException) -> BaseException:
    """What happened first."""
    while (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier
    return error


def _reason(error: BaseException) -> str:
    """In the operating system's words, without an address."""
    root = _root(error)
    return getattr(root, "strerror", None) or type(root).__name__
