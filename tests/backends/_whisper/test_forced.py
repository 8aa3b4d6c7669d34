"""The samples of stretches, cut from a recording that is read in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from servers.backends._whisper.forced import SAMPLE_RATE, Stretch, cut


@pytest.mark.parametrize("block_s", [0.3, 1.0, 2.5, 60.0])
def test_each_stretch_has_its_own_samples_however_the_blocks_lie(block_s):
    samples = np.arange(10 * SAMPLE_RATE, dtype=np.float32)
    size = round(block_s * SAMPLE_RATE)
    blocks = (samples[start : start + size] for start in range(0, len(samples), size))
    stretches = [Stretch(0.5, 1.0), Stretch(1.0, 3.25), Stretch(7.0, 9.0), Stretch(9.5, 10.5)]
    chunks = list(cut(blocks, stretches))
    for stretch, chunk in zip(stretches, chunks, strict=True):
        expected = samples[round(stretch.start_s * SAMPLE_RATE) : round(stretch.end_s * SAMPLE_RATE)]
        assert chunk.start_s == stretch.start_s
        assert np.array_equal(chunk.samples, expected)


def test_no_more_is_read_than_the_stretches_need():
    read = []

    def blocks():
        for _ in range(10):
            read.append(1)
            yield np.zeros(SAMPLE_RATE, np.float32)

    list(cut(blocks(), [Stretch(0.5, 1.5)]))
    assert len(read) == 2
