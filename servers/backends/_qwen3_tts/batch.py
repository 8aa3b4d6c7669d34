"""Continuous batching: generations share the talker's steps, and come and go one by one between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from servers.backends._qwen3_tts.codec import CodecDecoder
from servers.backends._qwen3_tts.generation import Generation, Wants
from servers.backends._qwen3_tts.talker import Talker, TalkerState
from servers.backends.base import SynthesisItems
from servers.errors import SkylarkError
from servers.speech import Chunk, Speech


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

    def step(self) -> SynthesisItems:
        """A frame for each row, and whatever is heard of it: if nothing else, the progress of one.

        A SkylarkError that one generation raises ends that one alone.
        """
        self._begin_rows()
        if self._state is None:
            return
        yield from self._frames(self._state)
        yield from self._audio()
        self._clear_rows()
        if self._members:
            member = self._members[self._steps % len(self._members)]
            yield member.index, member.generation.progress()
        self._steps += 1

    def _frames(self, state: TalkerState) -> Iterator[tuple[int, SkylarkError]]:
        for member, frame in zip(self._members, self._talker.step(state), strict=True):
            try:
                member.generation.add_frame(frame)
            except SkylarkError as error:
                member.generation.wants = Wants.NOTHING
                yield member.index, error

    def _audio(self) -> Iterator[tuple[int, Chunk | Speech]]:
        """What is due, decoded together where there is as much of it; first chunks, the shortest, first."""
        by_frames: dict[int, list[tuple[Member, Tensor]]] = {}
        for member, codes in self._due():
            by_frames.setdefault(len(codes), []).append((member, codes))
        for _, group in sorted(by_frames.items()):
            streams = [member.generation.stream for member, _ in group]
            samples = self._decoder.decode(streams, torch.stack([codes for _, codes in group]))
            for (member, _), each in zip(group, samples, strict=True):
                for item in member.generation.add_samples(each):
                    yield member.index, item

    def _due(self) -> list[tuple[Member, Tensor]]:
        """The codes (frames, 16) of whoever is to be heard now.

        Where a chunk of full length is, all others that make such chunks are to be heard with fewer frames:
        from then on they are due together, whenever they came, and one run of the decoder does for all.
        """
        speaking = [member for member in self._members if member.generation.wants is Wants.FRAME]
        due = [(member, member.generation.due) for member in speaking]
        if any(codes is not None and member.generation.is_in_full_chunks for member, codes in due):
            due = [
                (member, member.generation.due_with_others if codes is None else codes)
                for member, codes in due
            ]
        return [(member, codes) for member, codes in due if codes is not None]

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
