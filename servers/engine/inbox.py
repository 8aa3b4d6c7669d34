"""What the engine's loop has to see to: calls of other threads, made in order on its own thread."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from servers.errors import EngineUnavailable, StorageFailed

TICK_S = 1.0
DO_S = 5.0
log = logging.getLogger(__name__)
Call = Callable[[], None]


class Inbox:
    """Any thread puts, one attends."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self.stopping = False
        """Whether the engine is to end: then nothing is waited for any more."""

    def put(self, call: Call) -> None:
        """Safe in a signal handler."""
        self._calls.put(call)

    def wake(self) -> None:
        self._calls.put(_nothing)

    def do(self, call: Call) -> None:
        """Puts the call and returns when it has been made.

        Raises EngineUnavailable when the loop does not come to it.
        """
        made = threading.Event()

        def make() -> None:
            call()
            made.set()

        self._calls.put(make)
        if not made.wait(DO_S):
            raise EngineUnavailable("the engine is stopping, or waits for its disk", retry_after_s=DO_S)

    def attend(self) -> None:
        """Makes the calls that there are; waits for one for TICK_S at most."""
        try:
            self.persist(self._calls.get(timeout=TICK_S))
            while True:
                self.persist(self._calls.get_nowait())
        except queue.Empty:
            return

    def persist(self, act: Call) -> None:
        """Acts until the store can be read and written: what ails it is waited out, and nothing is lost.

        It is logged once, and once it is over. Raises StorageFailed when the engine is to end meanwhile.
        """
        said = None
        while True:
            try:
                act()
                break
            except StorageFailed as error:
                if error.message != said:
                    fields = {"action": "storage_failed", "error": error.message}
                    log.error("the store fails; the engine waits for it", extra=fields, exc_info=error)
                said = error.message
                if self.stopping:
                    raise
                time.sleep(TICK_S)
        if said is not None:
            log.info("the store is well again", extra={"action": "storage_recovered"})


def _nothing() -> None:
    """Only to wake the loop."""
