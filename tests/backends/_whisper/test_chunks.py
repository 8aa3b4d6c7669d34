"""A recording is cut into the same chunks wherever the blocks in which it is read happen to meet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from servers.backends._whisper.chunks import LONGEST, SAMPLE_RATE, Audio, Batcher, VadChunk, vad_chunks
from servers.backends._whisper.options import DecodeOptions


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


def chunks(samples: Audio, block_s: int) -> list[VadChunk]:
    blocks = (
        samples[start : start + block_s * SAMPLE_RATE]
        for start in range(0, len(samples), block_s * SAMPLE_RATE)
    )
    return [chunk for closed in vad_chunks(blocks, loud) for chunk in closed.chunks]


SPOKEN = [(2, 20), (55, 62), (100, 120), (178, 190), (199, 200)]


@pytest.mark.parametrize("block_s", [60, 61, 64, 90, 119, 120, 121, 179, 1000])
def test_the_blocks_change_nothing(block_s):
    found = chunks(recording(*SPOKEN, length=200), block_s)
    assert [(chunk.start_s, chunk.end_s) for chunk in found] == SPOKEN
    assert all(chunk.samples[0] == chunk.start_s * SAMPLE_RATE + 1 for chunk in found)


def test_speech_without_a_pause_is_cut_and_nothing_is_lost():
    found = chunks(recording((0, 300), length=300), 70)
    assert all(chunk.end_s - chunk.start_s <= 30 for chunk in found)
    assert all(before.end_s == after.start_s for before, after in pairwise(found))
    assert (found[0].start_s, found[-1].end_s) == (0, 300)


def test_each_block_says_how_far_it_came():
    ends = [closed.end_s for closed in vad_chunks(iter([recording((50, 60), length=60)] * 3), loud)]
    assert ends == [50, 110, 180]


def test_silence_has_no_chunks():
    assert chunks(recording(length=200), 60) == []


def test_a_chunk_is_never_longer_than_whispers_window():
    (closed,) = vad_chunks([recording((0, 40), length=40)], lambda _: [(0.0, 30.02)])
    assert len(closed.chunks[0].samples) == LONGEST


def test_a_chunk_does_not_hold_the_recording_in_memory():
    (chunk, *_) = chunks(recording(*SPOKEN, length=200), 1000)
    assert chunk.samples.base is None


def options(language: str = "en", batch_size: int = 2) -> DecodeOptions:
    return DecodeOptions(language, batch_size=batch_size)


def chunk(start_s: float) -> VadChunk:
    return VadChunk(start_s, np.zeros(1, np.float32))


def starts(batch) -> list[tuple[int, float]]:
    return [(index, each.start_s) for index, each in batch.chunks]


def test_chunks_of_several_recordings_fill_one_batch():
    batcher = Batcher()
    assert batcher.add(0, options(), chunk(1)) is None
    assert starts(batcher.add(1, options(), chunk(2))) == [(0, 1), (1, 2)]
    assert list(batcher.remaining()) == []


def test_a_batch_is_heard_in_one_options():
    batcher = Batcher()
    assert batcher.add(0, options("en"), chunk(1)) is None
    assert batcher.add(1, options("de"), chunk(2)) is None
    assert [(batch.options.language, starts(batch)) for batch in batcher.remaining()] == [
        ("en", [(0, 1)]),
        ("de", [(1, 2)]),
    ]


def test_what_is_dropped_is_not_decoded():
    batcher = Batcher()
    batcher.add(0, options(), chunk(1))
    batcher.drop(0)
    assert list(batcher.remaining()) == []
    batcher.add(1, options(), chunk(2))
    assert [starts(batch) for batch in batcher.remaining()] == [[(1, 2)]]
