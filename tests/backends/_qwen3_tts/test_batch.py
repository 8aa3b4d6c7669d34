"""Who has a row, and whose codes are decoded when: with a talker and a codec that do nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("qwen_tts", reason="needs the extra [qwen]")

import torch

from servers.backends._qwen3_tts.batch import GROWTH_IN_A_CROWD, HELD_BACK_UNTIL, ContinuousBatch
from servers.backends._qwen3_tts.generation import GROWTH, Wants
from servers.speech import Progress

FULL = 12


class FakeTalker:
    """Its state is how many rows there are."""

    def begin(self, rows: list[Any]) -> SimpleNamespace:
        return SimpleNamespace(rows=len(rows))

    def join(self, *states: SimpleNamespace) -> SimpleNamespace:
        return SimpleNamespace(rows=sum(state.rows for state in states))

    def keep(self, state: SimpleNamespace, rows: list[int]) -> None:
        state.rows = len(rows)

    def step(self, state: SimpleNamespace) -> torch.Tensor:
        return torch.zeros(state.rows, 16, dtype=torch.long)


class FakeDecoder:
    def decode(self, streams: list[Any], codes: torch.Tensor) -> np.ndarray:
        return np.zeros((len(streams), codes.shape[1]), np.float32)


class FakeGeneration:
    """Has so many frames; its chunks are of 2 and then of FULL frames. `heard` are the frames in each."""

    stream = None

    def __init__(self, frames: int) -> None:
        self.left, self.waits, self.heard = frames, 0, list[int]()
        self.wants = Wants.ROW
        self.growth = 0

    def row(self) -> None:
        self.wants = Wants.FRAME

    def add_frame(self, frame: torch.Tensor) -> None:
        self.left, self.waits = self.left - 1, self.waits + 1

    @property
    def is_heard(self) -> bool:
        return bool(self.heard)

    @property
    def is_due(self) -> bool:
        return not self.left or self.waits >= (FULL if self.heard else 2)

    @property
    def due(self) -> torch.Tensor:
        return torch.zeros(min(self.waits, FULL) if self.left else self.waits, 16)

    @property
    def share_of_chunk(self) -> float | None:
        return self.waits / FULL if self.heard and self.left else None

    def add_samples(self, samples: np.ndarray, growth: int) -> list[Any]:
        self.growth = growth
        self.heard.append(len(samples))
        self.waits -= len(samples)
        if not self.left:
            self.wants = Wants.NOTHING
        return []

    def progress(self) -> Progress:
        return Progress(0.5)


def batch_of(width: int = 8) -> ContinuousBatch:
    return ContinuousBatch(FakeTalker(), FakeDecoder(), width)  # type: ignore[arg-type]


def add(batch: ContinuousBatch, *generations: FakeGeneration, **how: Any) -> None:
    for index, generation in enumerate(generations):
        batch.add(index, generation, **how)  # type: ignore[arg-type]


def stepped(batch: ContinuousBatch, frames: int) -> None:
    for _ in range(frames):
        list(batch.step())
        list(batch.audio())


def test_rows_are_given_in_order_as_far_as_there_is_room():
    batch, generations = batch_of(width=2), [FakeGeneration(frames) for frames in (3, 9, 9, 9)]
    add(batch, *generations)
    stepped(batch, 2)
    assert [each.wants for each in generations] == [Wants.FRAME, Wants.FRAME, Wants.ROW, Wants.ROW]
    stepped(batch, 2)
    assert [each.wants for each in generations] == [Wants.NOTHING, Wants.FRAME, Wants.FRAME, Wants.ROW]


def test_one_that_is_to_be_alone_waits_for_all_before_it_and_keeps_all_after_it_waiting():
    batch, before, alone, after = batch_of(), *(FakeGeneration(4) for _ in range(3))
    add(batch, before)
    add(batch, alone, alone=True)
    add(batch, after)
    for speaking in (before, alone, after):
        stepped(batch, 1)
        assert [each for each in (before, alone, after) if each.wants is Wants.FRAME] == [speaking]
        stepped(batch, 3)
    assert batch.is_over


def test_whoever_is_dropped_leaves_at_once_from_its_row_and_from_the_queue():
    batch, generations = batch_of(width=1), [FakeGeneration(9), FakeGeneration(9)]
    add(batch, *generations)
    stepped(batch, 1)
    batch.drop({0, 1})
    assert batch.is_over
    assert list(batch.audio()) == []


@pytest.mark.parametrize(("listeners", "growth"), [(2, GROWTH), (3, GROWTH_IN_A_CROWD)])
def test_chunks_grow_faster_where_most_places_are_taken(listeners, growth):
    batch, generations = batch_of(width=4), [FakeGeneration(9) for _ in range(listeners)]
    add(batch, *generations)
    stepped(batch, 2)
    assert [each.growth for each in generations] == [growth] * listeners


def test_chunks_that_were_held_back_together_are_decoded_together():
    batch, first, second = batch_of(), FakeGeneration(60), FakeGeneration(60)
    add(batch, first)
    stepped(batch, 2)
    add(batch, second)
    stepped(batch, FULL - 1)  # one frame before the first one's chunk is whole, two before the second one's
    add(batch, FakeGeneration(60))
    stepped(batch, 1)
    assert (first.heard, second.heard) == ([2], [2])
    stepped(batch, 2)
    assert (first.heard, second.heard) == ([2, FULL], [2, FULL])


def test_full_chunks_are_held_back_while_somebody_was_not_heard_but_not_for_long():
    batch, early = batch_of(width=40), FakeGeneration(99)
    add(batch, early)
    stepped(batch, 1 + FULL)
    late = FakeGeneration(99)
    add(batch, late)
    stepped(batch, 1)
    assert early.heard == [2]
    stepped(batch, 2)
    assert late.heard == [2]
    assert early.heard == [2, FULL]
    assert early.waits == 2
    longest = 0
    while not early.heard[2:]:
        add(batch, FakeGeneration(99))  # always somebody new
        stepped(batch, 1)
        longest = max(longest, early.waits)
    assert FULL <= longest <= FULL * HELD_BACK_UNTIL
    assert early.heard[2] == FULL
