"""A WebSocket's messages (RFC 6455), once the handshake is done, for a talk in a thread of its own.

The event loop goes on holding the connection, as it does any other: it hands on the bytes that come, and says
at once that the client has gone. Frames are read and written by the threads of the talk.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from servers.web.outgoing import ClientGone, Outgoing

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED, NOT_UTF8 = 1000, 1001, 1002, 1003, 1007
POLICY, TOO_BIG, DEFECT = 1008, 1009, 1011
"""Close codes, RFC 6455 7.4.1."""
MAX_MESSAGE = 1_000_000
"""Bytes of a client's message."""
READ_AHEAD = 65_536
"""Bytes that are kept until the thread takes them; the connection is not read while there are more."""


class MustClose(Exception):
    """The talk has to end with this close code, and why; a client may be told before."""

    def __init__(self, code: int, error: str, message: str) -> None:
        super().__init__(message)
        self.code, self.error, self.message = code, error, message


class Arrivals:
    """Bytes on their way from the event loop to the thread of the talk."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bytes = bytearray()
        self._end: Exception | None = None
        self._nudged = False

    def put(self, data: bytes) -> bool:
        """Whether there is room for more."""
        with self._changed:
            self._bytes += data
            self._changed.notify()
            return len(self._bytes) < READ_AHEAD

    def end(self, why: Exception) -> None:
        """`take` raises it from now on: the first one, or that the client has gone."""
        with self._changed:
            if self._end is None or isinstance(why, ClientGone):
                self._end = why
            self._changed.notify()

    def nudge(self) -> None:
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def take(self, timeout_s: float) -> bytes:
        """All there are; none after a nudge, and after the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes or self._end or self._nudged, timeout_s)
            if self._end is not None:
                raise self._end
            self._nudged = False
            data, self._bytes = bytes(self._bytes), bytearray()
            return data


class WebSocket:
    """`receive` belongs to the thread of the talk; `send`, `nudge` and `connected` to any of its threads, and
    what is said so to the event loop.
    """

    def __init__(self, outgoing: Outgoing, make_room: Callable[[], None]) -> None:
        """`make_room` has the connection read again."""
        self._frames = Connection(ConnectionType.SERVER)
        self._outgoing, self._make_room = outgoing, make_room
        self._arrivals = Arrivals()
        self._sending = threading.Lock()
        self._message, self._size = io.StringIO(), 0
        self._gone = False
        self.close_code: int | None = None
        """That of the first of the two sides that closed it; None while it is open or where nobody did."""
        self.is_over = False
        """Both sides have closed it."""

    # the event loop's

    def received(self, data: bytes) -> bool:
        """Whether there is room for more."""
        return self._arrivals.put(data)

    def lost(self) -> None:
        self._gone = True
        self._arrivals.end(ClientGone())

    def go_away(self) -> None:
        """The server stops."""
        self._arrivals.end(MustClose(GOING_AWAY, "going_away", "the server is stopping"))

    # the threads'

    def connected(self) -> bool:
        return not self._gone

    def nudge(self) -> None:
        """Has `receive` return."""
        self._arrivals.nudge()

    def receive(self, timeout_s: float) -> str | None:
        """The next message; None when there is none in that time, or after a nudge.

        Raises ClientGone, also where the client has closed, and MustClose for what is no text of MAX_MESSAGE
        bytes at most.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._next_message()
            if message is not None:
                return message
            data = self._arrivals.take(max(0.0, deadline - time.monotonic()))
            if not data:
                return None
            if len(data) >= READ_AHEAD:
                self._make_room()
            with self._sending:
                self._frames.receive_data(data)

    def send(self, text: str) -> None:
        """Returns once little of it waits for the client. Raises ClientGone, also when it was closed."""
        self._send(TextMessage(data=text))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Says so to the client; nothing can be sent after it. A second time does nothing."""
        if self.close_code is None:
            self._send(CloseConnection(code=code, reason=reason))
            self.close_code = code

    def _send(self, event: Event) -> None:
        with self._sending:  # a frame is sent whole, and then the next one
            try:
                data = self._frames.send(event)
            except LocalProtocolError:  # it was closed
                raise ClientGone from None
            self._outgoing.send(bytes(data))

    def _next_message(self) -> str | None:
        """None where the bytes so far have none whole."""
        for event in self._frames.events():
            if isinstance(event, TextMessage):
                self._keep(event.data)
                if event.message_finished:
                    return self._whole()
            elif isinstance(event, BytesMessage):
                raise MustClose(UNSUPPORTED, "unsupported_data", "messages are text, and not binary")
            elif isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, CloseConnection):
                self._closed(event)
        return None

    def _keep(self, part: str) -> None:
        self._size += len(part.encode())
        if self._size > MAX_MESSAGE:
            raise MustClose(TOO_BIG, "too_large", f"a message has {MAX_MESSAGE} bytes at most")
        self._message.write(part)

    def _whole(self) -> str:
        text = self._message.getvalue()
        self._message, self._size = io.StringIO(), 0
        return text

    def _closed(self, event: CloseConnection) -> None:
        if self._frames.state is ConnectionState.OPEN:  # it could not be read
            raise MustClose(event.code, "protocol_error", event.reason or "that is no WebSocket frame")
        self.close_code = event.code
        self._send(event.response())
        self.is_over = True
        raise ClientGone


Talk = Callable[[WebSocket], None]
"""What is done with a WebSocket, in a thread of its own. It may raise MustClose, and ClientGone."""
