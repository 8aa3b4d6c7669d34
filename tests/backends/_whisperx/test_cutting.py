"""A recording is cut into the same pieces wherever the blocks in which it is read happen to meet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from servers.backends._whisperx.cutting import LONGEST, SAMPLE_RATE, Audio, Piece, looks


def loud(samples: Audio) -> list[tuple[float, float]]:
    """Where the samples are not 0, cut at 30 s."""
    padded = np.concatenate([[0], samples != 0, [0]]).astype(int)
    edges = np.flatnonzero(np.diff(padded)).reshape(-1, 2)
    return [
        (start / SAMPLE_RATE, min(end, start + LONGEST) / SAMPLE_RATE)
        for first, end in edges
        for start in range(first, end, LONGEST)
    ]


def recording(*stretches: tuple[int, int], length: int) -> Audio:
    """Speech between these seconds; each sample its own place, so that none can be taken for another."""
    samples = np.zeros(length * SAMPLE_RATE, np.float32)
    for start, end in stretches:
        place = np.arange(start * SAMPLE_RATE, end * SAMPLE_RATE)
        samples[place] = place + 1
    return samples


def pieces(samples: Audio, block_s: int) -> list[Piece]:
    blocks = (
        samples[start : start + block_s * SAMPLE_RATE]
        for start in range(0, len(samples), block_s * SAMPLE_RATE)
    )
    return [piece for look in looks(blocks, loud) for piece in look.pieces]


SPOKEN = [(2, 20), (55, 62), (100, 120), (178, 190), (199, 200)]


@pytest.mark.parametrize("block_s", [60, 61, 64, 90, 119, 120, 121, 179, 1000])
def test_the_blocks_change_nothing(block_s):
    found = pieces(recording(*SPOKEN, length=200), block_s)
    assert [(piece.start_s, piece.end_s) for piece in found] == SPOKEN
    assert all(piece.samples[0] == piece.start_s * SAMPLE_RATE + 1 for piece in found)


def test_speech_without_a_pause_is_cut_and_nothing_is_lost():
    found = pieces(recording((0, 300), length=300), 70)
    assert all(piece.end_s - piece.start_s <= 30 for piece in found)
    assert all(before.end_s == after.start_s for before, after in pairwise(found))
    assert (found[0].start_s, found[-1].end_s) == (0, 300)


def test_each_look_says_how_far_it_came():
    ends = [look.end_s for look in looks(iter([recording((50, 60), length=60)] * 3), loud)]
    assert ends == [50, 110, 180]


def test_silence_has_no_pieces():
    assert pieces(recording(length=200), 60) == []


def test_a_piece_is_never_longer_than_what_whisper_hears():
    (look,) = looks([recording((0, 40), length=40)], lambda _: [(0.0, 30.02)])
    assert len(look.pieces[0].samples) == LONGEST


def test_a_piece_does_not_hold_the_recording_in_memory():
    (piece, *_) = pieces(recording(*SPOKEN, length=200), 1000)
    assert piece.samples.base is None
