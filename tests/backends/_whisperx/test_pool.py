from __future__ import annotations

import numpy as np

from servers.backends._whisperx.cutting import Piece
from servers.backends._whisperx.ear import Manner
from servers.backends._whisperx.pool import Pool


def manner(language: str = "en", batch_size: int = 2) -> Manner:
    return Manner(language, None, 0.0, False, batch_size)


def piece(start_s: float) -> Piece:
    return Piece(start_s, np.zeros(1, np.float32))


def starts(batch) -> list[tuple[int, float]]:
    return [(index, each.start_s) for index, each in batch.pieces]


def test_pieces_of_several_recordings_fill_one_batch():
    pool = Pool()
    assert pool.add(0, manner(), piece(1)) is None
    assert starts(pool.add(1, manner(), piece(2))) == [(0, 1), (1, 2)]
    assert list(pool.rest()) == []


def test_a_batch_is_heard_in_one_manner():
    pool = Pool()
    assert pool.add(0, manner("en"), piece(1)) is None
    assert pool.add(1, manner("de"), piece(2)) is None
    assert [(batch.manner.language, starts(batch)) for batch in pool.rest()] == [
        ("en", [(0, 1)]),
        ("de", [(1, 2)]),
    ]


def test_what_is_dropped_is_not_heard():
    pool = Pool()
    pool.add(0, manner(), piece(1))
    pool.drop(0)
    assert list(pool.rest()) == []
    pool.add(1, manner(), piece(2))
    assert [starts(batch) for batch in pool.rest()] == [[(1, 2)]]
