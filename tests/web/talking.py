"""A WebSocket's client that speaks to raw sockets."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage

from tests.web.served import Client, request

HANDSHAKE = (
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
)
ACCEPT = "ICX+Yqv66kxgM0FcWaLWlFLwTAI="
"""What the server says to that key."""


def ask(client: Client, path: str, *headers: str) -> HTTPResponse:
    client.send(request(path, b"", *HANDSHAKE, *headers))
    return client.answer()


class Talker:
    """Over a connection whose handshake is done with it. Raises AssertionError where that is refused."""

    def __init__(self, client: Client, path: str, *headers: str) -> None:
        reply = ask(client, path, *headers)
        assert reply.status == 101, reply.read()
        self.client = client
        self._frames = Connection(ConnectionType.CLIENT)
        self._heard: list[Event] = []

    def send(self, message: str | bytes | dict[str, Any], finished: bool = True) -> None:
        data = json.dumps(message) if isinstance(message, dict) else message
        kind: Callable[..., Message] = BytesMessage if isinstance(data, bytes) else TextMessage
        self.client.send(self._frames.send(kind(data=data, message_finished=finished)))

    def ping(self, payload: bytes) -> bytes:
        self.client.send(self._frames.send(Ping(payload=payload)))
        event = self._event()
        assert isinstance(event, Pong)
        return bytes(event.payload)

    def hear(self) -> str:
        """The next message; AssertionError where it is closed instead."""
        text = ""
        while True:
            event = self._event()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return text

    def json(self) -> dict[str, Any]:
        return json.loads(self.hear())

    def close(self) -> None:
        self.client.send(self._frames.send(CloseConnection(code=1000)))

    def close_code(self) -> int:
        """The server's, and what it has said before is dropped."""
        while True:
            event = self._event()
            if isinstance(event, CloseConnection):
                return event.code

    def vanish(self) -> None:
        """Without a word, as a process that is killed."""
        os.close(self.client.sock.detach())

    def _event(self) -> Event:
        while not self._heard:
            data = self.client.makefile().read1(65_536)
            assert data, "the connection has ended without a close frame"
            self._frames.receive_data(data)
            self._heard += self._frames.events()
        return self._heard.pop(0)
