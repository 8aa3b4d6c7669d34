"""A connection that a WebSocket has taken over: its bytes go to a talk in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from servers.web.outgoing import Outgoing
from servers.web.websocket import Talk, WebSocket

if TYPE_CHECKING:
    from servers.web.listener import Listener


class Takeover:
    """`run` belongs to the thread of the talk, the rest to the event loop."""

    def __init__(
        self,
        listener: Listener,
        transport: asyncio.Transport,
        outgoing: Outgoing,
        talk: Talk,
        ended: Callable[[], None],
    ) -> None:
        """`ended` is called in the loop, once the talk has ended."""
        self._listener, self._transport, self._outgoing = listener, transport, outgoing
        self._talk, self._ended = talk, ended
        self._websocket = WebSocket(outgoing, lambda: listener.post(self._read_on))

    @property
    def is_over(self) -> bool:
        """Both sides have closed it."""
        return self._websocket.is_over

    def run(self) -> None:
        try:
            self._talk(self._websocket)
        finally:
            self._listener.post(self._ended)

    def hear(self, data: bytes) -> None:
        if not self._websocket.received(data):
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if not self._outgoing.lost:
            self._transport.resume_reading()

    def leave(self) -> None:
        """Its client has gone."""
        self._websocket.lost()

    def go_away(self) -> None:
        """The listener stops."""
        self._websocket.go_away()
