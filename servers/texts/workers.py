"""Processes for work on texts. spaCy and NeMo hold Python's lock for seconds, and on some texts for a minute:
inside a server that would be a minute in which it answers nobody.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from queue import Empty, LifoQueue
from typing import Any

from servers.errors import BackendFailed, DeadlineExceeded, JobCancelled, QueueFull, SkylarkError
from servers.settings import ROOT

CLIENT_CHECK_S = 1.0
"""How often a question that waits for a worker looks whether its client is still there."""
RETRY_AFTER_S = 2.0


class Worker:
    """One process, started when it is first asked. Not thread-safe."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None

    def ask(self, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """What __main__.py answers. Raises DeadlineExceeded, and BackendFailed if it dies of the question."""
        for _ in range(2):  # the one that is there may have ended since it was last asked
            line = self._line or self._start()
            try:
                line.send_bytes(json.dumps(question).encode())
                if not line.poll(timeout_s):
                    self.end()
                    raise DeadlineExceeded(f"the text was not done within {timeout_s:g} s", param="text")
                reply: dict[str, Any] = json.loads(line.recv_bytes())
                return reply
            except (EOFError, OSError):
                self.end()
        raise BackendFailed("the process that works on texts died of this one, twice", param="text")

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            command = [sys.executable, "-m", "servers.texts", str(fd)]
            # its own session: Ctrl-C is the server's to handle
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[fd], start_new_session=True)
        self._line = Connection(ours.detach())
        return self._line

    def end(self) -> None:
        if self._line is not None and self._process is not None:
            self._line.close()
            self._process.kill()
            self._process.wait()
        self._line = None


class Workers:
    """A few of them, for any thread. A question waits until one is free, or its client has gone."""

    def __init__(self, size: int, waiting: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._places = threading.BoundedSemaphore(size + waiting)
        self._free: LifoQueue[Worker] = LifoQueue()  # the last one has its grammars in memory
        for _ in range(size):
            self._free.put(Worker())

    def ask(self, question: dict[str, Any], wanted: Callable[[], bool]) -> Any:
        """The answer. Raises the error that it is, QueueFull if too many wait, DeadlineExceeded."""
        deadline = time.monotonic() + self._timeout_s
        with self._place(), self._worker(wanted) as worker:
            reply = worker.ask(question, max(0.0, deadline - time.monotonic()))
        if "error" in reply:
            raise SkylarkError.from_dict(reply["error"])
        return reply["answer"]

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise QueueFull("too many texts wait to be worked on", retry_after_s=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _worker(self, wanted: Callable[[], bool]) -> Iterator[Worker]:
        worker = self._wait_for_one(wanted)
        try:
            yield worker
        finally:
            self._free.put(worker)

    def _wait_for_one(self, wanted: Callable[[], bool]) -> Worker:
        while wanted():
            try:
                return self._free.get(timeout=CLIENT_CHECK_S)
            except Empty:
                continue
        raise JobCancelled("the client went away")
