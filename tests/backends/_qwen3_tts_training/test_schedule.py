"""Which clips make which step."""

from __future__ import annotations

import pytest

from servers.backends._qwen3_tts_training.schedule import Schedule, held_out


def flat(schedule: Schedule, step: int) -> list[int]:
    return [place for batch in schedule.batches(step) for place in batch]


@pytest.mark.parametrize("clips", [1, 7, 8, 9])
def test_in_each_epoch_each_clip_comes_once_in_another_order(clips):
    schedule = Schedule(clips=clips, batch_size=2, accumulation=2, epochs=3, seed=5)
    orders = []
    for epoch in range(3):
        steps = [step for step in range(schedule.steps) if schedule.epoch(step) == epoch]
        orders.append([place for step in steps for place in flat(schedule, step)])
        assert sorted(orders[-1]) == list(range(clips))
    assert clips == 1 or len({tuple(order) for order in orders}) > 1


def test_a_step_has_no_more_batches_than_are_accumulated_and_no_larger_ones():
    schedule = Schedule(clips=11, batch_size=2, accumulation=3, epochs=1, seed=0)
    assert [[len(batch) for batch in schedule.batches(step)] for step in range(schedule.steps)] == [
        [2, 2, 2],
        [2, 2, 1],
    ]


def test_a_seed_gives_the_same_order_and_another_one_another():
    orders = [Schedule(100, 10, 10, 1, seed).batches(0) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_clips_are_held_out_of_as_many_as_make_one_whole():
    assert held_out(19, 0.05, seed=0) == frozenset()
    assert len(held_out(20, 0.05, seed=0)) == 1
    assert len(held_out(100, 0.1, seed=3)) == 10
    assert held_out(100, 0.1, seed=3) == held_out(100, 0.1, seed=3) != held_out(100, 0.1, seed=4)
