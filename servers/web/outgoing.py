"""What a connection sends: the thread that replies writes what the client takes at once, the event loop the
rest.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable

UNSENT = 262_144
"""Bytes that may wait for their client before the thread does …"""
PIECE = 4_194_304
"""… and at most so many more: a reply of less never holds a thread."""
STALLED_S = 60.0
"""A client that has taken no byte for so long is gone."""


class ClientGone(Exception):
    """Nobody is there to take the reply."""


class Outgoing:
    """`send` belongs to the thread of the request in hand, everything else to the event loop."""

    def __init__(self, transport: asyncio.Transport, post: Callable[..., None]) -> None:
        """`post` has the loop call something."""
        transport.set_write_buffer_limits(high=UNSENT)
        self._transport, self._post = transport, post
        self._fd: int = transport.get_extra_info("socket").fileno()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._room.set()
        self._paused = self._lost = False
        self._posted = 0  # bytes on their way from the thread to the loop
        self._handed = self._sent = 0  # bytes ever given to the kernel or the transport; that left it
        self._sent_at = time.monotonic()

    def send(self, data: bytes) -> None:
        """Returns when at most a piece of it still waits for the client. Raises ClientGone."""
        for start in range(0, len(data), PIECE):
            self._room.wait()
            self._send_piece(memoryview(data)[start : start + PIECE])

    def _send_piece(self, piece: memoryview) -> None:
        with self._lock:
            if self._lost:
                raise ClientGone
            rest = piece[self._write_now(piece) :]
            self._posted += len(rest)
            self._make_room()
        if rest:
            self._post(self._flush, rest)

    def _write_now(self, data: memoryview) -> int:
        """What the kernel takes at once, where nothing waits before it: spares the way through the loop."""
        if self._posted or self._transport.get_write_buffer_size():
            return 0
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            raise ClientGone from None
        self._handed += written
        return written

    def _make_room(self) -> None:
        if self._lost or (self._posted <= UNSENT and not self._paused):
            self._room.set()
        else:
            self._room.clear()

    def _flush(self, data: memoryview) -> None:
        self.hand(data)
        with self._lock:
            self._posted -= len(data)
            self._make_room()

    def hand(self, data: bytes | memoryview) -> None:
        """What the loop sends by itself, while no thread does."""
        with self._lock:
            self._handed += len(data)
        self._transport.write(data)

    def pause(self, paused: bool) -> None:
        """As the transport's buffer fills and empties."""
        with self._lock:
            self._paused = paused
            self._make_room()

    def lose(self) -> None:
        """Before the descriptor is closed, which may be another connection's at once: nobody writes to it."""
        with self._lock:
            self._lost = True
            self._make_room()

    @property
    def lost(self) -> bool:
        return self._lost

    def stalled(self, now: float) -> bool:
        """Whether the client has let what waits for it wait for too long."""
        waiting = self._transport.get_write_buffer_size()
        sent = self._handed - waiting
        if not waiting or sent != self._sent:
            self._sent, self._sent_at = sent, now
        return now - self._sent_at > STALLED_S
