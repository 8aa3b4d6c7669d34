"""Several channels to one."""

from __future__ import annotations

import numpy as np
import pytest

from servers.audio.mixing import mix_down


def test_channels_are_averaged():
    block = np.array([[0.5, 0.0], [-0.5, -0.5]], np.float32)
    assert mix_down(block).tolist() == [0.25, -0.5]


@pytest.mark.parametrize("channels", [1, 2])
def test_what_comes_out_is_a_new_array_for_the_block_is_filled_again(channels):
    block = np.ones((10, channels), np.float32)
    mixed = mix_down(block)
    assert (mixed.shape, mixed.dtype) == ((10,), np.float32)
    assert not np.shares_memory(mixed, block)
