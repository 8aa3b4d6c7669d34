"""A request as it comes: its bytes through h11, its head as a WSGI environment, its body kept."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

import h11

from servers.errors import MalformedRequest
from servers.web.incoming import Incoming
from servers.web.wsgi import Ends, Environ, asks_for_websocket, environ, not_http, with_body

if TYPE_CHECKING:
    from servers.web.listener import Listener

HEAD_S = 15.0
"""A request's line and headers have come this long after their first byte."""
EVENTS = 500
"""Parts of a request that are looked at before others have their turn: chunks may be tiny."""


class Progress(Enum):
    WAITS = "waits"
    """For more of it to come."""
    HAS_MORE = "has more"
    """Which was received already; others have their turn first."""
    COMPLETE = "complete"
    """It is there, whole or as far as it is received: the rest of what is too large is not."""


class Receiving:
    """One request of a connection. Its methods belong to the event loop."""

    def __init__(
        self,
        http: h11.Connection,
        ends: Ends,
        listener: Listener,
        spool: Callable[[int], None],
        say: Callable[[bytes], None],
    ) -> None:
        """`spool` counts bytes of a body among all that are kept, or raises QueueFull; `say` sends."""
        self._http, self._ends, self._listener = http, ends, listener
        self._spool, self._say = spool, say
        self._body: Incoming | None = None
        self._promised: int | None = None
        self._is_complete = False
        self.is_head = self.asks_for_websocket = False

    def read(self, data: bytes) -> Progress:
        """`data` may be empty where some was left over.

        Raises MalformedRequest, HeadersTooLarge, QueueFull and StorageFailed.
        """
        try:
            if data:  # to h11 an empty one is the end of the connection
                self._http.receive_data(data)
            return self._advance()
        except h11.RemoteProtocolError as error:
            raise not_http(error) from None

    def _advance(self) -> Progress:
        parts: list[bytes] = []
        progress = Progress.WAITS
        for _ in range(EVENTS):
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.EndOfMessage):
                self._is_complete = True
            if event is h11.NEED_DATA or self._is_complete:
                break
        else:
            progress = Progress.HAS_MORE
        self._keep(parts)
        return Progress.COMPLETE if self._is_complete else progress

    def _begin(self, request: h11.Request) -> None:
        self.is_head = request.method == b"HEAD"
        self._environ = environ(request, self._ends)
        length = int(self._environ.get("CONTENT_LENGTH", 0))
        chunked = any(name == b"transfer-encoding" for name, _ in request.headers)
        if chunked and "CONTENT_LENGTH" in self._environ:
            raise MalformedRequest("a body has Content-Length or Transfer-Encoding, not both")
        self._body = Incoming()
        has_body = chunked or length > 0
        self.asks_for_websocket = asks_for_websocket(request) and not has_body
        if length > self._listener.max_body or (has_body and not self._listener.admits(self._environ)):
            self._promised, self._is_complete = length, True  # the app says why; its body is not received
        elif self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self._say(self._http.send(go_on) or b"")

    def _keep(self, parts: list[bytes]) -> None:
        if not parts:
            return
        assert self._body is not None
        data = b"".join(parts)
        self._spool(len(data))
        self._body.keep(data)
        if self._body.size > self._listener.max_body:
            self._is_complete = True

    def environ(self) -> Environ:
        """Of the complete request: with the body that has come, and the length that was promised where it has
        not.
        """
        assert self._body is not None
        self._body.file.seek(0)
        length = self._body.size if self._promised is None else self._promised
        return with_body(self._environ, self._body.file, length)

    def is_slow(self, now: float, since: float) -> bool:
        """Whether it comes too slowly; its first byte came at `since`."""
        return now - since > HEAD_S if self._body is None else self._body.too_slow(now)

    def drop_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
