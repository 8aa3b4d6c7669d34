"""Many performances in one batch of the talker: they step together, and come and go one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count

from torch import Tensor

from servers.backends._qwen3_tts.performance import Performance, Wants
from servers.backends._qwen3_tts.talker import State, Talker
from servers.backends.base import Spoken
from servers.errors import SkylarkError
from servers.speech import Chunk, Speech

Act = tuple[int, Performance]
"""A performance and its place in the batch of requests."""


class Stage:
    """Room for `width` performances at once; the others wait for one to leave."""

    def __init__(self, talker: Talker, width: int, acts: Iterable[Act]) -> None:
        self._talker, self._width = talker, width
        self._waiting = deque(acts)
        self._on: list[Act] = []
        self._state: State | None = None

    def play(self) -> Spoken:
        """Everything that is heard of all of them. Yields in every frame, if only the progress of one.

        A SkylarkError that one performance raises ends that one alone.
        """
        for turn in count():
            self._begin_rows()
            if self._state is None:
                return
            frames = self._talker.step(self._state)
            for (index, performance), frame in zip(self._on, frames, strict=True):
                for item in _audible(performance, frame):
                    yield index, item
            self._clear_rows()
            if self._on:
                index, performance = self._on[turn % len(self._on)]
                yield index, performance.progress()

    def _begin_rows(self) -> None:
        """A row for each that waits, as long as there is room."""
        fresh = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._width - len(self._on)))]
        if not fresh:
            return
        begun = self._talker.begin([performance.row() for _, performance in fresh])
        self._state = begun if self._state is None else self._talker.join(self._state, begun)
        self._on += fresh

    def _clear_rows(self) -> None:
        """Rows that have ended go; whoever wants another one is the next to get it."""
        for act in reversed(self._on):
            if act[1].wants is Wants.ROW:
                self._waiting.appendleft(act)
        kept = [row for row, (_, performance) in enumerate(self._on) if performance.wants is Wants.FRAME]
        self._on = [self._on[row] for row in kept]
        if not kept:
            self._state = None
        elif self._state is not None:
            self._talker.keep(self._state, kept)


def _audible(performance: Performance, frame: Tensor) -> Iterator[Chunk | Speech | SkylarkError]:
    try:
        yield from performance.hear(frame)
    except SkylarkError as error:
        performance.wants = Wants.NOTHING
        yield error
