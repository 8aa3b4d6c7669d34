"""The one thread that asks the upstreams how they are, as long as anybody wants to know; and its listeners.

However many listen, the upstreams are asked once in a while. A listener is told of the last look and of no
earlier one, so that who reads slowly holds nothing.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from servers.errors import EngineUnavailable
from servers.proxy.answers import Answers, Fault, Limits, Queue
from servers.proxy.snapshot import Snapshot, decide

GLANCE_S = 1.0
"""How soon a listener notices that its client, or the server, has gone; each after another part of it, for
hundreds that all wake at the same moment hold up everybody else.
"""
KEEP_ALIVE_S = 15.0
LINGER_S = 30.0
"""Whoever asks is expected to ask again for so long."""
LOOK_S = 10.0
"""A look at the upstreams takes less."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What the last look found."""

    snapshot: Snapshot
    queue: Queue | Fault | None
    limits: Limits | None = None
    """As they were last told: a machine that is off has those that it had."""
    texts: dict[str, str] = field(default_factory=dict, compare=False)
    """What is made of it for many listeners, by a name: it is made once."""

    def text(self, name: str, made: Callable[[], str]) -> str:
        if name not in self.texts:
            self.texts[name] = made()
        return self.texts[name]


class Watch:
    """Thread-safe. Its thread runs while somebody wants to know."""

    def __init__(
        self,
        look: Callable[[], Answers],
        every_s: float,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._every_s, self._clock, self._ticks = look, every_s, clock, ticks
        self._changed = threading.Condition()
        self._bell, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: Seen | None = None
        self._looked_at = self._asked_at = -float("inf")
        self._listeners = 0

    def seen(self) -> Seen:
        """The last look, or a new one where that is old. Raises EngineUnavailable where it takes too long."""
        with self._changed:
            self._want()
            self._changed.wait_for(self._is_fresh, LOOK_S)
            if self._seen is None or not self._is_fresh():
                raise EngineUnavailable("nothing is known of the servers yet", retry_after_s=self._every_s)
            return self._seen

    @property
    def last(self) -> Seen | None:
        """The last look, however old it is; None where there was none. Nobody is asked for it."""
        return self._seen

    def listen(self, connected: Callable[[], bool]) -> Iterator[Seen | None]:
        """The last look at once, then each that found something else; None now and then in between.

        Ends when the client has gone, and with `end`.
        """
        told, told_at = None, self._ticks()
        with self._listening():
            while connected() and not self._ending.is_set():
                seen = self._next(told)
                if seen is not told:
                    told, told_at = seen, self._ticks()
                    yield seen
                elif self._ticks() - told_at >= KEEP_ALIVE_S:
                    told_at = self._ticks()
                    yield None

    def look_soon(self) -> None:
        """Something was done that a look would show."""
        self._bell.set()

    def end(self) -> None:
        """Lets all listeners go within GLANCE_S. It may be called in a signal handler."""
        self._ending.set()
        self._bell.set()

    def close(self) -> None:
        """`end`, and waits for the thread."""
        self.end()
        thread = self._thread
        if thread is not None:
            thread.join(LOOK_S)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        with self._changed:
            self._listeners += 1
        try:
            yield
        finally:
            with self._changed:
                self._listeners -= 1

    def _next(self, told: Seen | None) -> Seen | None:
        """The last look once it is another one, `told` where none comes for a while."""
        with self._changed:
            self._want()
            glance_s = GLANCE_S * random.uniform(0.5, 1)
            self._changed.wait_for(lambda: self._is_fresh() and self._seen is not told, glance_s)
            return self._seen if self._is_fresh() else told

    def _want(self) -> None:
        """With the lock held: sees to it that somebody looks."""
        self._asked_at = self._ticks()
        if self._thread is None and not self._ending.is_set():
            self._bell.clear()
            thread = threading.Thread(target=self._run, name="watch", daemon=True)
            thread.start()  # it waits for the lock; where none can be started, the next who asks tries again
            self._thread = thread

    def _is_fresh(self) -> bool:
        return self._ticks() - self._looked_at <= self._every_s + LOOK_S

    def _run(self) -> None:
        try:
            while self._go_on():
                self._note(self._look())
                self._bell.wait(self._every_s)
                self._bell.clear()
        finally:  # also where a look has a defect: whoever wants to know next has it looked again
            with self._changed:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _go_on(self) -> bool:
        """Where it does not, the thread is given up with the lock held, so that nobody counts on it."""
        with self._changed:
            is_wanted = self._listeners > 0 or self._ticks() - self._asked_at <= LINGER_S
            if is_wanted and not self._ending.is_set():
                return True
            self._thread = None
            return False

    def _note(self, answers: Answers) -> None:
        with self._changed:
            before = self._seen.snapshot if self._seen is not None else None
            known = self._seen.limits if self._seen is not None else None
            snapshot = decide(answers, before, self._clock())
            if before is not None and before.state is not snapshot.state:
                log.info("the machine is %s", snapshot.state, extra={"action": "state"})
            seen, is_awaited = Seen(snapshot, answers.queue, answers.limits or known), not self._is_fresh()
            self._looked_at = self._ticks()
            if is_awaited or seen != self._seen:
                self._seen = self._seen if seen == self._seen else seen
                self._changed.notify_all()
