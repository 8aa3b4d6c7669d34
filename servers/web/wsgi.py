"""A request and its reply between h11 and a WSGI app (PEP 3333)."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import IO, Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

import h11

from servers.errors import HeadersTooLarge, MalformedRequest, SkylarkError
from servers.web import errors, request_ids

ON_LEAVE = "skylark.on_leave"
"""Of a WSGI environment: registers what is called once if the client goes away before its reply is made."""
CONNECTED = "skylark.connected"
"""In the environment of a request: a callable that says whether its client still waits."""
UPGRADE = "skylark.upgrade"
"""In the environment of a request that asks for a WebSocket: a callable that is given who speaks over it."""
SWITCHING = HTTPStatus.SWITCHING_PROTOCOLS
VERSIONS = (b"1.0", b"1.1")
MAX_HEAD = 65_536
"""Bytes of a request's line and headers."""
HOP_BY_HOP = frozenset({"CONNECTION", "KEEP_ALIVE", "TE", "TRAILER", "TRANSFER_ENCODING"})

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Address = tuple[str, int]
"""A host and a port."""
NOWHERE: Address = ("", 0)
"""The address of a Unix socket."""


class Ends(NamedTuple):
    """The two ends of a connection."""

    server: Address
    client: Address

    @classmethod
    def of(cls, transport: asyncio.BaseTransport) -> Ends:
        if transport.get_extra_info("socket").family == socket.AF_UNIX:
            return cls(NOWHERE, NOWHERE)
        return cls(
            _address(transport.get_extra_info("sockname")), _address(transport.get_extra_info("peername"))
        )


def _address(name: object) -> Address:
    """macOS has none for a connection that was reset before it was accepted."""
    return (name[0], name[1]) if isinstance(name, tuple) else ("unknown", 0)


def environ(request: h11.Request, ends: Ends) -> Environ:
    """Everything but the body, which `with_body` adds.

    Raises MalformedRequest for another version and a target that is no path, and HeadersTooLarge.
    """
    if request.http_version not in VERSIONS:
        raise MalformedRequest("the request is not HTTP/1.1")
    if len(request.target) + sum(len(name) + len(value) for name, value in request.headers) > MAX_HEAD:
        raise too_large()
    path, query = _target(request.target.decode("ascii"), request.method)
    return {
        "REQUEST_METHOD": request.method.decode("ascii"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}",
        "SERVER_NAME": ends.server[0] or "localhost",
        "SERVER_PORT": str(ends.server[1]),
        "REMOTE_ADDR": ends.client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    } | _headers(request)


def with_body(environ: Environ, body: IO[bytes], length: int) -> Environ:
    """The whole body, however it was framed: `length` bytes, or as many as its header promised."""
    return environ | {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": str(length)}


def not_http(error: h11.RemoteProtocolError) -> SkylarkError:
    """Nothing of the request is quoted: it may hold keys and texts."""
    if error.error_status_hint == 431:
        return too_large()
    return MalformedRequest("the request is not HTTP/1.1")


def asks_for_websocket(request: h11.Request) -> bool:
    """RFC 6455 4.2.1; what else the handshake has to have is said to whoever lacks it."""
    named = {
        name: [token.strip().lower() for token in value.split(b",")]
        for name, value in request.headers
        if name in (b"connection", b"upgrade")
    }
    is_get = (request.method, request.http_version) == (b"GET", b"1.1")
    return is_get and b"upgrade" in named.get(b"connection", ()) and b"websocket" in named.get(b"upgrade", ())


def too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"a request's line and headers have {MAX_HEAD} bytes at most")


def _target(target: str, method: bytes) -> tuple[str, str]:
    if target.startswith("/") or (target == "*" and method == b"OPTIONS"):
        path, _, query = target.partition("?")
        return path, query
    try:
        parts = urlsplit(target)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https"):
        raise MalformedRequest("the request's target is no path")
    return parts.path or "/", parts.query


def _headers(request: h11.Request) -> Environ:
    """Names with an underscore are left out: they would pass for those with a hyphen."""
    found: Environ = {}
    for name, value in request.headers:
        key = name.decode("ascii").upper().replace("-", "_")
        if b"_" in name or key in HOP_BY_HOP:
            continue
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        separator = "; " if key == "HTTP_COOKIE" else ","
        found[key] = f"{found[key]}{separator}{text}" if key in found else text
    return found


class Reply:
    """What an app answers, as bytes for the wire: given to `send` as they come.

    The head goes with the first bytes of the body, so that a whole reply is one packet where it fits.
    """

    def __init__(self, http: h11.Connection, send: Callable[[bytes], None], last: Callable[[], bool]) -> None:
        """`last` says, when the reply begins, whether the connection closes after it."""
        self._http, self._send, self._last = http, send, last
        self._head: h11.Response | h11.InformationalResponse | None = None
        self.begun = False
        """Whether a part of it was sent: from there on it cannot become another reply."""

    def run(self, app: App, environ: Environ) -> None:
        """Calls the app, and sends what it gives until the end."""
        parts = app(environ, self._start)
        try:
            for part in parts:
                if part:
                    self._write(part)
            self._end()
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def _start(self, status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[..., Any]:
        if self.begun:
            raise RuntimeError("a reply was begun twice")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        code, _, reason = status.partition(" ")
        if int(code) == SWITCHING:
            self._head = h11.InformationalResponse(status_code=SWITCHING, headers=fields, reason=reason)
        else:
            self._head = head(int(code), fields, reason, last=self._last())
        return self._write

    def _write(self, part: bytes) -> None:
        start = self._begin()
        self._send(start + (self._http.send(h11.Data(data=part)) or b""))

    def _end(self) -> None:
        rest = self._begin()
        if self._http.our_state is not h11.SWITCHED_PROTOCOL:
            rest += self._http.send(h11.EndOfMessage()) or b""
        if rest:
            self._send(rest)

    def _begin(self) -> bytes:
        if self.begun:
            return b""
        if self._head is None:
            raise RuntimeError("the app gave no status")
        start = self._http.send(self._head) or b""
        self.begun = True
        return start


def head(status: int, headers: list[tuple[bytes, bytes]], reason: str = "", *, last: bool) -> h11.Response:
    """With the Date, which it has once; `last` closes the connection after the reply."""
    more = [(b"Date", formatdate(time.time(), usegmt=True).encode("ascii"))]
    if last:
        more.append((b"Connection", b"close"))
    own = [(name, value) for name, value in headers if name.lower() != b"date"]
    return h11.Response(status_code=status, headers=own + more, reason=reason.encode("latin-1"))


def refusal(error: SkylarkError, request_id: str) -> tuple[h11.Response, bytes]:
    """The last reply on a connection, where no app was asked: its head and its body."""
    body = json.dumps({"error": errors.body(error, request_id)}).encode()
    fields = errors.headers(error) | {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        request_ids.HEADER: request_id,
    }
    encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in fields.items()]
    return head(error.http_status, encoded, HTTPStatus(error.http_status).phrase, last=True), body
