"""Continuous batching: generations share the talker's steps, and come and go one by one between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import Tensor

from servers.backends._qwen3_tts.codec import CodecDecoder
from servers.backends._qwen3_tts.generation import GROWTH, Generation, Wants
from servers.backends._qwen3_tts.talker import Talker, TalkerState
from servers.backends.base import SynthesisItems
from servers.errors import SkylarkError
from servers.speech import Chunk, Speech

CROWD, GROWTH_IN_A_CROWD = 1 / 2, 3
"""Where more of the places are taken, chunks grow so fast. Each listener may have to wait a frame for the
second one; but fewer runs of the codec are made, and places are free sooner: on two cores at 0.6 of capacity
the first chunk's p95 is 93 ms so, and 298 ms where chunks double."""
HELD_BACK_UNTIL = 4 / 3
"""Of a chunk: no more of it waits for somebody to be heard, or for others to have a whole one."""


@dataclass(frozen=True)
class Member:
    """A generation in the batch; `index` is its request's place, and what it yields goes by that."""

    index: int
    generation: Generation
    is_alone: bool
    """Nobody may be in the batch beside it."""


class ContinuousBatch:
    """Rows for `width` generations at once; the others wait, in order, for one to leave."""

    def __init__(self, talker: Talker, decoder: CodecDecoder, width: int) -> None:
        self._talker, self._decoder, self._width = talker, decoder, width
        self._waiting: deque[Member] = deque()
        self._members: list[Member] = []
        """Those that have a row, in the order of the rows."""
        self._state: TalkerState | None = None
        self._steps = 0

    @property
    def is_over(self) -> bool:
        return not self._members and not self._waiting

    def add(self, index: int, generation: Generation, *, alone: bool = False) -> None:
        """It gets its row at the next step that has room.

        One that is to be alone waits until all before it have ended. Those after it wait behind it, though
        there may be room for them: they would keep it waiting for ever.
        """
        self._waiting.append(Member(index, generation, alone))

    def drop(self, indexes: Collection[int]) -> None:
        """Nothing more is computed or yielded for these requests."""
        if not indexes:
            return
        self._waiting = deque(member for member in self._waiting if member.index not in indexes)
        for member in self._members:
            if member.index in indexes:
                member.generation.wants = Wants.NOTHING
        self._clear_rows()

    def step(self) -> Iterator[tuple[int, SkylarkError]]:
        """A frame for each row. A SkylarkError that one generation raises ends that one alone."""
        self._begin_rows()
        if self._state is None:
            return
        for member, frame in zip(self._members, self._talker.step(self._state), strict=True):
            try:
                member.generation.add_frame(frame)
            except SkylarkError as error:
                member.generation.wants = Wants.NOTHING
                yield member.index, error

    def audio(self) -> SynthesisItems:
        """Whatever is heard of the frames: if nothing else, the progress of one. It follows each step."""
        yield from self._decoded()
        self._clear_rows()
        if self._members:
            member = self._members[self._steps % len(self._members)]
            yield member.index, member.generation.progress()
        self._steps += 1

    def _decoded(self) -> Iterator[tuple[int, Chunk | Speech]]:
        """What is due, decoded together where there is as much of it; first chunks, the shortest, first."""
        growth = GROWTH_IN_A_CROWD if len(self._members) > CROWD * self._width else GROWTH
        by_frames: dict[int, list[tuple[Member, Tensor]]] = {}
        for member in self._due():
            codes = member.generation.due
            by_frames.setdefault(len(codes), []).append((member, codes))
        for _, group in sorted(by_frames.items()):
            streams = [member.generation.stream for member, _ in group]
            samples = self._decoder.decode(streams, torch.stack([codes for _, codes in group]))
            for (member, _), each in zip(group, samples, strict=True):
                for item in member.generation.add_samples(each, growth):
                    yield member.index, item

    def _due(self) -> list[Member]:
        """Whose codes are to be decoded now: first chunks, ends, and whatever else is a whole chunk.

        The latter is held back a little, for whoever waits for it has something to listen to: while somebody
        was not heard yet, and until others have a whole chunk as well. Those are decoded together from then
        on: by itself each run of the codec costs as much as six frames.
        """
        speaking = [each for each in self._members if each.generation.wants is Wants.FRAME]
        due = [each for each in speaking if each.generation.is_due]
        shares = [share for each in speaking if (share := each.generation.share_of_chunk) is not None]
        if self._is_worth_while(shares):
            return due
        return [each for each in due if each.generation.share_of_chunk is None]

    def _is_worth_while(self, shares: Sequence[float]) -> bool:
        """Whether chunks are to be decoded that could be held back; of each, how much there is."""
        if max(shares, default=0) >= HELD_BACK_UNTIL:
            return True
        return self._all_are_heard() and not any(2 - HELD_BACK_UNTIL < share < 1 for share in shares)

    def _all_are_heard(self) -> bool:
        joining = islice(self._waiting, self._width - len(self._members))
        return all(each.generation.is_heard for each in chain(self._members, joining))

    def _begin_rows(self) -> None:
        """A row for each that may have one now."""
        fresh = list(self._next())
        if not fresh:
            return
        begun = self._talker.begin([member.generation.row() for member in fresh])
        self._state = begun if self._state is None else self._talker.join(self._state, begun)
        self._members += fresh

    def _next(self) -> Iterator[Member]:
        """Those that wait, as long as there is room and nobody among them is to be alone."""
        beside = list(self._members)
        while self._waiting and len(beside) < self._width:
            if beside and (self._waiting[0].is_alone or beside[0].is_alone):
                return
            beside.append(self._waiting.popleft())
            yield beside[-1]

    def _clear_rows(self) -> None:
        """Rows that have ended go; whoever wants another one is the next to get it."""
        for member in reversed(self._members):
            if member.generation.wants is Wants.ROW:
                self._waiting.appendleft(member)
        kept = [row for row, each in enumerate(self._members) if each.generation.wants is Wants.FRAME]
        self._members = [self._members[row] for row in kept]
        if not kept:
            self._state = None
        elif self._state is not None:
            self._talker.keep(self._state, kept)
