"""Read, publish, wait; and drain where the machine is to be taken away."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from servers.monitor.metric_data import Before, Datum, after, metric_data
from servers.monitor.readings import Readings

ASK_EVERY_S = 5.0
log = logging.getLogger(__name__)


class Publishing:
    """`read` is told whether there was a notice; `publish` says whether what it was given was taken."""

    def __init__(
        self,
        appliance: str,
        read: Callable[[bool], Readings],
        publish: Callable[[Sequence[Datum]], bool],
        drain: Callable[[], object],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._appliance, self._read, self._publish = appliance, read, publish
        self._drain, self._clock, self._sleep = drain, clock, sleep
        self._before = Before()
        self.interrupted = False
        self._due: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.stopped = False

    def step(self) -> None:
        """One publication."""
        readings = self._read(self.interrupted)
        if self._publish(metric_data(self._appliance, readings, self._before, self._clock())):
            self._before = after(readings, self._before)

    def interrupt(self) -> None:
        """The machine is to be taken away: everything drains, and it is published at once."""
        if self.interrupted:
            return
        self.interrupted = True
        log.warning("EC2 takes this instance away: everything is stopped", extra={"action": "interruption"})
        self._drain()
        self._due.put(None)

    def stop(self) -> None:
        """Safe in a signal handler."""
        self.stopped = True
        self._due.put(None)

    def run(self, period_s: float) -> None:
        """Until it is stopped."""
        while not self.stopped:
            began = time.monotonic()
            self.step()
            with suppress(queue.Empty):
                self._due.get(timeout=max(0.0, period_s - (time.monotonic() - began)))

    def watch(self, is_given: Callable[[], bool]) -> None:
        """Asks for a notice until there is one, or it is stopped."""
        while not self.stopped:
            if is_given():
                self.interrupt()
                return
            self._sleep(ASK_EVERY_S)
