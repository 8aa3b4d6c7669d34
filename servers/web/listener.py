"""One address that a server listens at: its connections, their bounds, and threads of its own.

An engine's TCP port and its Unix socket are two listeners, so that nothing done to the one takes from the
other. Probes have threads that work cannot use up.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from flask import Flask

from servers.errors import QueueFull
from servers.web.auth import ADMITS
from servers.web.connection import Connection, Phase
from servers.web.wsgi import Environ

BACKLOG = 2_048
"""Connections that the kernel keeps until they are accepted."""
PROBES = frozenset({"health", "ready", "metrics"})
"""The last part of the paths that load balancers and monitors ask."""
PROBE_THREADS = 4
MOST_DESCRIPTORS = 65_536
"""As many as are asked for at the start, where the hard limit allows that."""
MOST_CONNECTIONS = 4_000
RETRY_AFTER_S = 5.0
BODIES = 4
"""As many bodies of the largest size are received at the same time."""


@dataclass(frozen=True)
class Bounds:
    connections: int
    """Idle ones included. One more takes the place of the one that has longest had no request in hand."""
    per_address: int
    """The same for the connections from one address, which a proxy's users share."""

    @staticmethod
    def of_process(per_address: int, listeners: int) -> Bounds:
        """Half of the descriptors that this process may have, in equal parts: a request may need two."""
        connections = min(MOST_CONNECTIONS, _descriptors() // 2 // listeners)
        return Bounds(connections, min(per_address, connections))


def _descriptors() -> int:
    """The limit on open files, raised as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_DESCRIPTORS
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


class Listener:
    """Its methods belong to the event loop."""

    def __init__(self, app: Flask, sock: socket.socket, bounds: Bounds, threads: int) -> None:
        self.app = app
        self.max_body: int = app.config["MAX_CONTENT_LENGTH"]
        self.admits = app.extensions[ADMITS]
        self.stopping = False
        self._sock, self._bounds = sock, bounds
        self._threads = ThreadPoolExecutor(threads, "request")
        self._probe_threads = ThreadPoolExecutor(PROBE_THREADS, "probe")
        self._connections: set[Connection] = set()
        self._addresses: Counter[str] = Counter()
        self._spooled: Counter[Connection] = Counter()
        self._empty = asyncio.Event()

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._server = await self.loop.create_server(
            lambda: Connection(self), sock=self._sock, backlog=BACKLOG
        )

    async def stop(self) -> None:
        """Accepts nobody any more; returns when every connection has ended. An idle one may be about to be
        used, and is closed by the second `look`."""
        self.stopping = True
        self._server.close()
        if self._connections:
            await self._empty.wait()

    def end(self) -> None:
        """Ends what is left at once, and its threads when they are done."""
        self._server.close()
        for connection in list(self._connections):
            self._evict(connection)
        for threads in (self._threads, self._probe_threads):
            threads.shutdown(wait=False)

    def look(self, now: float) -> None:
        """Called each second."""
        for connection in list(self._connections):
            connection.look(now)
            if self.stopping and connection.phase is Phase.IDLE and now - connection.since > 1:
                connection.close()

    # for its connections

    def admit(self, connection: Connection) -> None:
        """Counts it from now on. Raises QueueFull if all the others have requests in hand."""
        address = connection.client[0]
        if address and self._addresses[address] >= self._bounds.per_address:
            self.make_place(address)
        elif len(self._connections) >= self._bounds.connections:
            self.make_place()
        self._connections.add(connection)
        self._addresses[address] += 1

    def forget(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        address = connection.client[0]
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        if self.stopping and not self._connections:
            self._empty.set()

    def make_place(self, address: str | None = None) -> None:
        """Ends the connection, of that address, that has longest had no request in hand. Raises QueueFull."""
        spare = [
            each
            for each in self._connections
            if each.phase is not Phase.WORKING and address in (None, each.client[0])
        ]
        if not spare:
            whose = "in all" if address is None else "from this address"
            raise QueueFull(f"too many connections {whose}", retry_after_s=RETRY_AFTER_S)
        self._evict(min(spare, key=lambda each: each.since))

    def spool(self, connection: Connection, size: int) -> None:
        """Counts bytes of a body. Where it is too much together, the body that came first has to go."""
        self._spooled[connection] += size
        while self._spooled.total() > BODIES * self.max_body:
            others = [
                each for each in self._spooled if each.phase is Phase.RECEIVING and each is not connection
            ]
            if not others:
                raise QueueFull("too many large bodies at the same time", retry_after_s=RETRY_AFTER_S)
            self._evict(min(others, key=lambda each: each.since))

    def unspool(self, connection: Connection) -> None:
        del self._spooled[connection]

    def submit(self, connection: Connection, environ: Environ) -> None:
        """Gives a whole request to a thread, when one is free."""
        name = environ["PATH_INFO"].rpartition("/")[2]
        (self._probe_threads if name in PROBES else self._threads).submit(connection.work, environ)

    def _evict(self, connection: Connection) -> None:
        connection.evict()
        self.unspool(connection)  # it is heard to be closed only later
        self.forget(connection)
