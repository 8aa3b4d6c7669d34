"""What a connection sends: the thread that replies writes what the client takes at once, the event loop the
rest.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable

UNSENT = 262_144
"""Bytes on their way to the loop, beyond which the thread waits …"""
PIECE = 1_048_576
"""… and at most so many more: a reply of less never holds a thread."""
STALLED_S = 60.0
"""A client that has taken no byte for so long is gone."""
NO_ROOM = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
SO_NWRITE = 0x1024  # of macOS's <sys/socket.h>
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER's: closing is then a reset, and not the end of a reply that has no length."""


class ClientGone(Exception):
    """Nobody is there to take the reply."""


class Outgoing:
    """`send` belongs to the thread of the request in hand, everything else to the event loop."""

    def __init__(self, transport: asyncio.Transport, post: Callable[..., None]) -> None:
        """`post` has the loop call something."""
        transport.set_write_buffer_limits(high=0)  # so that `wait` is told when the buffer fills and empties
        self._transport, self._post = transport, post
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._fd = self._socket.fileno()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._room.set()
        self._waiting = self._lost = False
        self._posted = 0  # bytes on their way from the thread to the loop
        self._handed = self._taken = (
            0  # bytes ever given to the kernel or the transport; that the client took
        )
        self._taken_at = time.monotonic()

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
        if self._posted or self._waiting:
            return 0
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            if error.errno in NO_ROOM:
                return 0
            raise ClientGone from None
        self._handed += written
        return written

    def _make_room(self) -> None:
        if self._lost or (self._posted <= UNSENT and not self._waiting):
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

    def wait(self, waiting: bool) -> None:
        """Whether some of it waits in the transport's buffer."""
        with self._lock:
            self._waiting = waiting
            self._make_room()

    def lose(self) -> None:
        """Before the descriptor is closed, which may be another connection's at once: nobody writes to it."""
        with self._lock:
            self._lost = True
            self._make_room()

    @property
    def lost(self) -> bool:
        return self._lost

    @property
    def waiting(self) -> bool:
        return self._waiting

    def unsent(self) -> int:
        """Bytes in this process's memory that wait for their client."""
        return self._transport.get_write_buffer_size()

    def reset(self) -> None:
        """Ends the connection so that its client cannot take what came for a whole reply."""
        if not self._transport.is_closing():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def stalled(self, now: float) -> bool:
        """Whether the client has let what waits for it wait for too long."""
        taken = self._handed - self.unsent() - self._in_kernel()
        if not self._waiting or taken != self._taken:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at > STALLED_S

    def _in_kernel(self) -> int:
        """Bytes that it still has: it lets us write again only once much of its buffer is free."""
        if not self._waiting or self._transport.is_closing():
            return 0
        if sys.platform == "darwin":
            return self._socket.getsockopt(socket.SOL_SOCKET, SO_NWRITE)
        count: int = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0" * 4))[0]
        return count
