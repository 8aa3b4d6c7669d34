"""gunicorn's worker for every server: an event loop that holds the connections, and threads that work.

A thread is given a request when it is there whole, and a slow reader takes its reply from the loop; so no
client holds a thread by being slow. gunicorn's own threaded worker reads and writes in its threads.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from gunicorn.workers.base import Worker as BaseWorker

from servers.errors import QueueFull
from servers.settings import settings
from servers.web.app import stop_notice_s, terminate
from servers.web.bounds import Bounds
from servers.web.listener import Listener

LOOK_EVERY_S = 1.0
LAST_S = 2.0
"""What is left of gunicorn's graceful_timeout for the end itself, before its arbiter kills the worker."""
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Worker(BaseWorker):  # type: ignore[misc]  # gunicorn has no types
    """Ends on SIGTERM when its requests have ended; gunicorn's graceful_timeout is its arbiter's to hold."""

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:  # however it ends: SIGTERM, SIGINT, SIGQUIT, an arbiter that was killed
            terminate(self.wsgi)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: the app is told before requests are waited for."""
        if hasattr(self, "wsgi"):  # it may come while the app is made
            terminate(self.wsgi)
        super().handle_exit(sig, frame)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_fault)
        self._woken = asyncio.Event()
        loop.add_reader(self.PIPE[0], self._on_signal)
        web = settings().web
        bounds = Bounds.of_process(
            web.max_connections_per_address, len(self.sockets), web.max_websockets, web.idle_s
        )
        self._listeners = [Listener(self.wsgi, each.sock, bounds, self.cfg.threads) for each in self.sockets]
        for listener in self._listeners:
            await listener.start()
        looking = asyncio.create_task(self._look())
        try:
            while self.alive:
                await self._woken.wait()
                self._woken.clear()
            terminate(self.wsgi)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0, self.cfg.graceful_timeout - LAST_S)):
                    await asyncio.sleep(stop_notice_s(self.wsgi))
                    await asyncio.gather(*(listener.stop() for listener in self._listeners))
        finally:  # also where a signal ends it at once: no thread may wait for a client any more
            looking.cancel()
            for listener in self._listeners:
                listener.end()
            await asyncio.sleep(0)  # in the loop's next round they are closed

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if os.getppid() != self.ppid:
                self._end()
            for listener in self._listeners:
                listener.look(time.monotonic())

    def _on_signal(self) -> None:
        """gunicorn has Python write to this pipe when a signal was caught; its handler has run by then."""
        os.read(self.PIPE[0], 4_096)
        self._woken.set()

    def _end(self) -> None:
        self.alive = False
        self._woken.set()

    def _on_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio could not do; it accepts again a second after there was no descriptor left."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
            self.log.warning("no descriptor is left for a connection: %s", os.strerror(error.errno or 0))
            for listener in self._listeners:
                with suppress(QueueFull):
                    listener.make_place()
        else:
            self.log.error("the event loop: %s", context["message"], exc_info=error)
