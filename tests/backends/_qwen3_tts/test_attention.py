"""Keys and values written in place are those that were given, however much room there is."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra [qwen]")

import torch
from torch import Tensor

from servers.backends._qwen3_tts.attention import KeyValues

LAYERS = 2


def drawn(rows: int, positions: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LAYERS, rows, 3, positions, 4, generator=generator)


def written(cache: KeyValues, new: Tensor) -> Tensor:
    """What each layer sees after it appended `new`, the values being the keys' negatives."""
    seen = []
    for layer, keys in enumerate(new):
        all_keys, all_values = cache.update(keys, -keys, layer)
        assert all_values.equal(-all_keys)
        seen.append(all_keys.clone())
    return torch.stack(seen)


def test_what_was_written_stays_when_the_room_grows():
    cache, parts = KeyValues(growth=4), [drawn(2, size, size) for size in (3, 1, 1, 1, 1, 1, 4, 1)]
    for count, part in enumerate(parts, start=1):
        assert written(cache, part).equal(torch.cat(parts[:count], dim=3))
    assert cache.length == 13


def test_it_starts_again_with_as_many_rows_or_with_others():
    cache = KeyValues(growth=4)
    for rows in (2, 2, 5):
        cache.restart(rows)
        assert written(cache, drawn(rows, 3, rows)).equal(drawn(rows, 3, rows))


def test_rows_can_be_kept_in_any_order():
    cache = KeyValues()
    whole = written(cache, drawn(3, 5, 1))
    cache.keep(torch.tensor([2, 0]))
    after = written(cache, drawn(2, 1, 2))
    assert after[:, :, :, :5].equal(whole[:, [2, 0]])


def test_caches_side_by_side_end_at_the_same_place():
    long, short = KeyValues(), KeyValues()
    first, second = written(long, drawn(1, 5, 1)), written(short, drawn(2, 2, 2))
    both = written(KeyValues.side_by_side([long, short]), drawn(3, 1, 3))
    assert both[:, :1, :, :5].equal(first)
    assert both[:, 1:, :, 3:5].equal(second)
    assert not both[:, 1:, :, :3].any()
    assert both[:, :, :, 5:].equal(drawn(3, 1, 3))


def test_positions_that_nobody_sees_are_forgotten_with_the_rows_that_did():
    cache = KeyValues()
    whole = written(cache, drawn(3, 5, 1))
    cache.keep(torch.tensor([1]), start=2)
    assert cache.length == 3
    after = written(cache, drawn(1, 1, 2))
    assert after[:, :, :, :3].equal(whole[:, [1], :, 2:])
    assert after[:, :, :, 3:].equal(drawn(1, 1, 2))
