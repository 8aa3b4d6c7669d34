"""Many performances in one batch of the talker: they step together, and come and go one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count

import torch
from torch import Tensor

from servers.backends._qwen3_tts.codec import CodecDecoder
from servers.backends._qwen3_tts.performance import Performance, Wants
from servers.backends._qwen3_tts.talker import State, Talker
from servers.backends.base import SynthesisItems
from servers.errors import SkylarkError
from servers.speech import Chunk, Speech

Act = tuple[int, Performance]
"""A performance and its place in the batch of requests."""


class Stage:
    """Room for `width` performances at once; the others wait for one to leave."""

    def __init__(self, talker: Talker, decoder: CodecDecoder, width: int, acts: Iterable[Act]) -> None:
        self._talker, self._decoder, self._width = talker, decoder, width
        self._waiting = deque(acts)
        self._on: list[Act] = []
        self._state: State | None = None

    def play(self) -> SynthesisItems:
        """Everything that is heard of all of them. Yields in every frame, if only the progress of one.

        A SkylarkError that one performance raises ends that one alone.
        """
        for turn in count():
            self._begin_rows()
            if self._state is None:
                return
            yield from self._step(self._state)
            yield from self._sounds()
            self._clear_rows()
            if self._on:
                index, performance = self._on[turn % len(self._on)]
                yield index, performance.progress()

    def _step(self, state: State) -> Iterator[tuple[int, SkylarkError]]:
        """Each takes its frame; whoever cannot go on is heard no more."""
        for (index, performance), frame in zip(self._on, self._talker.step(state), strict=True):
            try:
                performance.take(frame)
            except SkylarkError as error:
                performance.wants = Wants.NOTHING
                yield index, error

    def _sounds(self) -> Iterator[tuple[int, Chunk | Speech]]:
        """What is due, decoded together where there is as much of it."""
        due: dict[int, list[tuple[Act, Tensor]]] = {}
        for act in self._on:
            codes = act[1].due if act[1].wants is Wants.FRAME else None
            if codes is not None:
                due.setdefault(len(codes), []).append((act, codes))
        for group in due.values():
            streams = [performance.stream for (_, performance), _ in group]
            samples = self._decoder.decode(streams, torch.stack([codes for _, codes in group]))
            for ((index, performance), _), each in zip(group, samples, strict=True):
                for item in performance.hear(each):
                    yield index, item

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
