"""The run that a runner works on: what its generator is given, and what the engine says meanwhile."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import Any

from servers.errors import SkylarkError
from servers.runner.outbox import Outbox
from servers.runner.wire import Asked, Message
from servers.speech import Noun

Payload = dict[str, Any]
Parse = Callable[[Payload], Noun]


class CurrentRun:
    """The `Arrivals` and the `Steps` of its generator. `take` is called by the listening thread.

    Requests are told apart by their indexes in the run, as the engine knows them. The generator counts
    those that it was given; `index_of` turns one into the other.
    """

    def __init__(self, number: int, task: str, payloads: Sequence[Payload], outbox: Outbox) -> None:
        self.number, self.task = number, task
        self.taken = 0
        """How many requests were taken up, of all that came."""
        self.is_cancelled = False
        self._outbox = outbox
        self._waiting = list(payloads)
        self._given: list[int] = []
        self._unwanted: set[int] = set()
        self._parse: Parse | None = None
        self._asked = Asked.GO_ON
        self._changed = threading.Condition()
        self._tell: Callable[[], None] = lambda: None

    def take(self, order: Message) -> None:
        with self._changed:
            match order["op"]:
                case "join":
                    self._waiting += order["payloads"]
                case "cancel" if order.get("index") is None:
                    self.is_cancelled = True
                case "cancel":
                    self._unwanted.add(order["index"])
                case asked:
                    self._asked = Asked(asked)
            self._changed.notify_all()
            self._tell()

    @property
    def is_open(self) -> bool:
        """Whether there are requests that nobody has worked on."""
        return bool(self._waiting) and not self.is_cancelled

    def begin(self, parse: Parse) -> Sequence[Noun]:
        """The requests that there are, for a new generator."""
        self._parse, self._given = parse, []
        return self.joined()

    def index_of(self, place: int) -> int:
        return self._given[place]

    # Arrivals

    def joined(self) -> Sequence[Noun]:
        if not self._waiting:
            return ()
        with self._changed:
            payloads, self._waiting = self._waiting, []
        return [request for payload in payloads if (request := self._parsed(payload)) is not None]

    def cancelled(self) -> Collection[int]:
        if not self._unwanted:
            return ()
        with self._changed:
            named = {index for index in self._unwanted if index < self.taken}
            self._unwanted -= named
        return [place for index in named if (place := self._place(index)) is not None]

    def notify(self, call: Callable[[], None]) -> None:
        with self._changed:
            self._tell = call

    def _place(self, index: int) -> int | None:
        """Which of those that the generator was given it is, if it is one of them."""
        place = bisect_left(self._given, index)
        return place if self._given[place : place + 1] == [index] else None

    def _parsed(self, payload: Payload) -> Noun | None:
        """The request, counted; none where nobody wants it any more, or where it is an error."""
        assert self._parse is not None
        index, self.taken = self.taken, self.taken + 1
        if index in self._unwanted:
            self._unwanted.discard(index)
            return None
        try:
            request = self._parse(payload)
        except SkylarkError as error:
            self._outbox.put({"op": "error", "error": error.to_dict(), "run": self.number, "index": index})
            return None
        self._given.append(index)
        return request

    # Steps

    def go_on(self) -> bool:
        with self._changed:
            pauses = self._asked is Asked.PAUSE
        if pauses:
            self._outbox.put({"op": "paused", "run": self.number})
        with self._changed:
            self._changed.wait_for(lambda: self._asked is not Asked.PAUSE or self.is_cancelled)
            return self._asked is not Asked.SAVE and not self.is_cancelled
