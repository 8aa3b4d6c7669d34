"""One address that a server listens at: its connections, their bounds, and threads of its own.

An engine's TCP port and its Unix socket are two listeners, so that nothing done to the one takes from the
other. Probes have threads that work cannot use up.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from flask import Flask

from servers.errors import QueueFull
from servers.web.auth import ADMITS
from servers.web.bounds import RETRY_AFTER_S, Bounds
from servers.web.connection import Connection
from servers.web.exchange import Exchange
from servers.web.metrics import RECEIVING
from servers.web.phases import Phase
from servers.web.takeover import Takeover
from servers.web.wsgi import Environ

BACKLOG, AT_ONCE = 2_048, 64
"""Connections that the kernel keeps until they are accepted, and that are accepted in one go."""
PROBES = frozenset({"health", "ready", "metrics"})
"""The last part of the paths that load balancers and monitors ask."""
PROBE_THREADS = 4
GONE_THREADS = 4
"""For what is to be done where clients go away: their jobs are cancelled."""
BODIES = 4
"""As many bodies of the largest size are received at the same time."""
MOST_UNSENT = 268_435_456
"""Bytes of replies that may wait in memory for their clients, of all connections together."""


IN_HAND = (Phase.WORKING, Phase.FLUSHING)
log = logging.getLogger(__name__)
Ordered = dict[Connection, None]
"""Connections, those first that have longest been so."""


@dataclass
class Address:
    """One that connections came from: how many, and those of them that have no request in hand."""

    count: int = 0
    spare: Ordered = field(default_factory=dict)


class Listener:
    """Its methods belong to the event loop, but for `post`, `receiving`, `reserve` and `release`."""

    def __init__(self, app: Flask, sock: socket.socket, bounds: Bounds, threads: int) -> None:
        self.app = app
        self.max_body: int = app.config["MAX_CONTENT_LENGTH"]
        self.admits = app.extensions[ADMITS]
        self.stopping = False
        self.idle_s = bounds.idle_s
        self._sock, self._bounds = sock, bounds
        self._threads = ThreadPoolExecutor(threads, "request")
        self._probe_threads = ThreadPoolExecutor(PROBE_THREADS, "probe")
        self._gone_threads = ThreadPoolExecutor(GONE_THREADS, "gone")
        self._talk_threads = ThreadPoolExecutor(bounds.websockets, "websocket")
        self._talking: set[Connection] = set()
        self._reserved: set[Connection] = set()
        self._reserving = threading.Lock()
        self._connections: set[Connection] = set()
        self._addresses: dict[str, Address] = {}
        self._spare: Ordered = {}
        self._spooled: Counter[Connection] = Counter()
        self._spooled_size = 0
        self._stopped_at = 0.0
        self._empty = asyncio.Event()
        app.extensions.setdefault(RECEIVING, []).append(self.receiving)

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._server = await self.loop.create_server(
            lambda: Connection(self), sock=self._sock, backlog=AT_ONCE
        )
        self._sock.listen(BACKLOG)

    async def stop(self) -> None:
        """Accepts nobody any more; returns when every connection has ended."""
        self.stopping, self._stopped_at = True, time.monotonic()
        self._server.close()
        for connection in self._talking:
            connection.go_away()
        if self._connections or self._talking:
            await self._empty.wait()

    def end(self) -> None:
        """Ends what is left at once, and its threads when they are done."""
        self._server.close()
        for connection in self._all():
            self._evict(connection)
        for threads in (self._threads, self._probe_threads, self._gone_threads, self._talk_threads):
            threads.shutdown(wait=False)

    def look(self, now: float) -> None:
        """Called each second. A connection at which that fails, whatever it is, is ended, and the others are
        looked at.
        """
        for connection in self._all():
            try:
                connection.look(now)
                if self.stopping:
                    connection.look_at_the_end(now - self._stopped_at)
            except Exception as error:
                log.error("a connection failed", exc_info=error, extra={"action": "error"})
                self._evict(connection)
        self._bound_unsent()

    def receiving(self) -> int:
        """How many requests are being received; for every thread."""
        return sum(each.phase is Phase.RECEIVING for each in list(self._connections))

    def _all(self) -> list[Connection]:
        return [*self._connections, *self._talking]

    def _bound_unsent(self) -> None:
        """Where too much waits for its clients, those that it has waited for longest are given up."""
        unsent = {each: each.unsent() for each in self._all()}
        total = sum(unsent.values())
        for connection in sorted(unsent, key=lambda each: each.since):
            if total <= MOST_UNSENT:
                return
            total -= unsent[connection]
            if unsent[connection]:
                self._evict(connection)

    # for its connections

    def admit(self, connection: Connection) -> None:
        """Counts it from now on. Raises QueueFull if all the others have requests in hand."""
        name = connection.address
        address = self._addresses.get(name)
        if name and address and address.count >= self._bounds.per_address:
            self._make_place(address.spare, "from this address")
        elif len(self._connections) >= self._bounds.connections:
            self.make_place()
        self._connections.add(connection)
        self._addresses.setdefault(name, Address()).count += 1
        self.moved(connection)

    def moved(self, connection: Connection) -> None:
        """It has entered another phase: the one that has longest had no request in hand is the first."""
        if connection not in self._connections:
            return
        for spare in (self._spare, self._addresses[connection.address].spare):
            spare.pop(connection, None)
            if connection.phase not in IN_HAND:
                spare[connection] = None

    def forget(self, connection: Connection) -> None:
        self._talking.discard(connection)
        self.release(connection)
        if connection in self._connections:
            self._uncount(connection)
        if self.stopping and not self._connections and not self._talking:
            self._empty.set()

    def _uncount(self, connection: Connection) -> None:
        self._connections.remove(connection)
        self._spare.pop(connection, None)
        name = connection.address
        address = self._addresses[name]
        address.spare.pop(connection, None)
        address.count -= 1
        if not address.count:
            del self._addresses[name]

    def make_place(self) -> None:
        """Ends the connection that has longest had no request in hand. Raises QueueFull."""
        self._make_place(self._spare, "in all")

    def _make_place(self, spare: Ordered, whose: str) -> None:
        if not spare:
            raise QueueFull(f"too many connections {whose}", retry_after_s=RETRY_AFTER_S)
        self._evict(next(iter(spare)))

    def spool(self, connection: Connection, size: int) -> None:
        """Counts bytes of a body. Where it is too much together, the body that came first has to go."""
        self._spooled[connection] += size
        self._spooled_size += size
        while self._spooled_size > BODIES * self.max_body:
            others = [
                each for each in self._spooled if each.phase is Phase.RECEIVING and each is not connection
            ]
            if not others:
                raise QueueFull("too many large bodies at the same time", retry_after_s=RETRY_AFTER_S)
            self._evict(min(others, key=lambda each: each.since))

    def unspool(self, connection: Connection) -> None:
        self._spooled_size -= self._spooled.pop(connection, 0)

    def post(self, call: Callable[..., object], *arguments: object) -> None:
        """Has the loop call it; for every thread."""
        with suppress(RuntimeError):  # the loop has ended, and the process with it
            self.loop.call_soon_threadsafe(call, *arguments)

    def submit(self, exchange: Exchange, environ: Environ) -> None:
        """Gives a complete request to a thread, when one is free."""
        (self._probe_threads if _is_probe(environ, self.app.name) else self._threads).submit(
            exchange.run, environ
        )

    def call_for_gone(self, call: Callable[[], object]) -> None:
        """Calls it in a thread that neither requests nor probes use."""
        self._gone_threads.submit(_logged, call)

    def reserve(self, connection: Connection) -> None:
        """A place for a WebSocket, which is asked for by a request's thread. Raises QueueFull."""
        with self._reserving:
            if len(self._reserved) >= self._bounds.websockets:
                raise QueueFull("too many WebSockets", retry_after_s=RETRY_AFTER_S)
            self._reserved.add(connection)

    def release(self, connection: Connection) -> None:
        with self._reserving:
            self._reserved.discard(connection)

    def talks(self, connection: Connection) -> None:
        """It has become a WebSocket, and is counted as such alone."""
        self._uncount(connection)
        self._talking.add(connection)

    def submit_talk(self, takeover: Takeover) -> None:
        if self.stopping:
            takeover.go_away()
        self._talk_threads.submit(takeover.run)

    def _evict(self, connection: Connection) -> None:
        connection.evict()
        self.unspool(connection)  # it is heard to be closed only later
        self.forget(connection)


def _logged(call: Callable[[], object]) -> None:
    """A defect in it would end in the thread that nobody waits for."""
    try:
        call()
    except Exception as error:
        log.error("what a client left could not be cleared up", exc_info=error, extra={"action": "error"})


def _is_probe(environ: Environ, server: str) -> bool:
    """With the server's name in front or without it."""
    *before, name = environ["PATH_INFO"].split("/")
    return name in PROBES and before in ([""], ["", server]) and environ["REQUEST_METHOD"] in ("GET", "HEAD")
