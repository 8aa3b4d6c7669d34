"""The frames of a recording that is gone through in blocks are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from servers.backends._whisperx.aligner import HOP, LEAST, with_context

BLOCK, CONTEXT = 10 * HOP, 3 * HOP


def frames_of(samples: np.ndarray) -> np.ndarray:
    """What a model without a memory emits: the first sample of each frame."""
    padded = np.pad(samples, (0, max(0, LEAST - len(samples))))
    return padded[: len(padded) - LEAST + 1 : HOP]


@pytest.mark.parametrize(
    "length", [1, 399, 400, 3199, 3200, 3201, 3210, 3599, 3600, 6400, 7000, 32000, 33333]
)
def test_the_frames_of_the_blocks_are_those_of_the_whole(length):
    whole = np.arange(1, length + 1, dtype=np.float32)
    blocks = [whole[start : start + BLOCK] for start in range(0, length, BLOCK)]
    found = [(length, block) for length, block in with_context(blocks, CONTEXT)]
    assert sum(length for length, _ in found) == length
    frames = np.concatenate([frames_of(block.samples)[block.frames] for _, block in found])
    assert np.array_equal(frames, frames_of(whole))


def test_a_block_has_some_of_its_neighbours_around_it():
    blocks = [np.full(BLOCK, number, np.float32) for number in range(3)]
    _, middle = list(with_context(blocks, CONTEXT))[1]
    assert middle.samples[0] == 0
    assert middle.samples[-1] == 2
    assert len(middle.samples) == BLOCK + 2 * CONTEXT
