"""Mixing down: the mean as ever, and nothing lost where channels are each other's opposite."""

import numpy as np
import pytest

from servers.audio.mixing import MixDown


def voice(seed: int = 0, frames: int = 16_000) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(frames).astype(np.float32) / 10


def mixed(*channels: np.ndarray) -> np.ndarray:
    return MixDown(len(channels)).mixed(np.stack(channels, axis=1))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def test_one_channel_is_left_as_it_is():
    assert np.array_equal(mixed(voice()), voice())


@pytest.mark.parametrize("other", [voice(), voice(1), np.zeros_like(voice()), 0.2 * voice(1) + voice()])
def test_ordinary_channels_are_their_plain_mean(other):
    block = np.stack([voice(), other], axis=1)
    assert np.array_equal(mixed(voice(), other), block.mean(axis=1, dtype=np.float32))


def test_channels_in_antiphase_are_heard_as_either_of_them_is():
    assert np.allclose(mixed(voice(), -voice()), voice(), atol=1e-6)
    assert np.allclose(mixed(voice(), -0.8 * voice()), 0.9 * voice(), atol=1e-6)


def test_antiphase_with_noise_of_each_channel_keeps_what_they_have_in_common():
    found = mixed(voice() + 0.2 * voice(1), -voice() + 0.2 * voice(2))
    assert np.corrcoef(found, voice())[0, 1] > 0.98


@pytest.mark.parametrize("signs", [(1, -1, 1, -1), (1, -1, -1), (1, 1, 1, 1, -1, -1), (0, 1, -1)])
def test_of_many_channels_none_takes_away_what_another_brings(signs):
    found = mixed(*(sign * voice() for sign in signs))
    assert rms(found) == pytest.approx(rms(voice()) * np.mean(np.abs(signs)), rel=1e-4)


def test_blocks_are_mixed_with_the_signs_of_the_blocks_before():
    mix_down = MixDown(2)
    mix_down.mixed(np.stack([voice(), -voice()], axis=1))
    unlike = np.stack([voice(1), voice(2)], axis=1)
    assert np.allclose(mix_down.mixed(unlike), (voice(1) - voice(2)) / 2, atol=1e-6)
    alike = np.stack([voice(), voice()], axis=1)
    assert np.array_equal(mix_down.mixed(alike), voice()), "and turned back by a block that is as clear"


@pytest.mark.parametrize("channels", [1, 2])
def test_what_comes_out_is_a_new_array_for_the_block_is_filled_again(channels):
    block = np.ones((10, channels), np.float32)
    mono = MixDown(channels).mixed(block)
    assert (mono.shape, mono.dtype) == ((10,), np.float32)
    assert not np.shares_memory(mono, block)
