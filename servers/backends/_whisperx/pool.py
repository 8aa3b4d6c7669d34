"""Pieces of several recordings, gathered into the batches that are heard at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from servers.backends._whisperx.cutting import Piece
from servers.backends._whisperx.ear import Manner


@dataclass(frozen=True)
class Batch:
    """Pieces that are heard in the same manner, each with its recording's place among the requests."""

    manner: Manner
    pieces: Sequence[tuple[int, Piece]]


@dataclass
class Pool:
    """The pieces that wait, in the order in which they came."""

    _waiting: dict[Manner, list[tuple[int, Piece]]] = field(default_factory=dict)

    def add(self, index: int, manner: Manner, piece: Piece) -> Batch | None:
        """The batch that this piece makes full, if it does."""
        waiting = self._waiting.setdefault(manner, [])
        waiting.append((index, piece))
        return self._taken(manner) if len(waiting) >= manner.batch_size else None

    def drop(self, index: int) -> None:
        """Forgets the pieces of a recording."""
        for manner, waiting in self._waiting.items():
            self._waiting[manner] = [each for each in waiting if each[0] != index]

    def rest(self) -> Iterator[Batch]:
        """The batches of what is left, none of them full."""
        for manner in list(self._waiting):
            if self._waiting[manner]:
                yield self._taken(manner)

    def _taken(self, manner: Manner) -> Batch:
        return Batch(manner, self._waiting.pop(manner))
