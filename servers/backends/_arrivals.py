"""What arrives while a batch runs, numbered on from the batch, for a backend that takes arrivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from servers.backends.base import Arrivals
from servers.speech import Noun


class NumberedArrivals:
    """What arrives, with the indexes that follow a batch of `count`; without what was cancelled meanwhile.

    None is the arrivals of a batch that nobody joins.
    """

    def __init__(self, arrivals: Arrivals | None, count: int) -> None:
        self._arrivals, self._next = arrivals or _NoArrivals(), count
        self.gone: set[int] = set()
        """Whoever was cancelled so far."""
        self.came = False
        """Whether anybody came when it was last asked, cancelled or not."""

    def joined(self) -> list[tuple[int, Noun]]:
        joined = list(enumerate(self._arrivals.joined(), self._next))
        self._next += len(joined)
        self.came = bool(joined)
        self.gone.update(self._arrivals.cancelled())
        return [(index, request) for index, request in joined if index not in self.gone]

    def notify(self, call: Callable[[], None]) -> None:
        self._arrivals.notify(call)


class _NoArrivals:
    def joined(self) -> Sequence[Noun]:
        return ()

    def cancelled(self) -> Sequence[int]:
        return ()

    def notify(self, call: Callable[[], None]) -> None:
        pass
