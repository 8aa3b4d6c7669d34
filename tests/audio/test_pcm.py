"""Conversions between sample formats, and the noise floor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from servers.audio.pcm import NoiseFloor, to_float32, to_int16

ANY_INT16 = arrays(np.int16, st.integers(0, 200))
ANY_FLOAT32 = arrays(np.float32, st.integers(1, 200), elements=st.floats(-4, 4, width=32))


@given(ANY_INT16)
def test_int16_survives_the_way_to_float_and_back(samples):
    assert np.array_equal(to_int16(to_float32(samples)), samples)


@given(ANY_FLOAT32)
def test_what_is_too_loud_is_clipped_and_never_wraps_round(samples):
    converted = to_int16(samples).astype(np.float64) / 32768
    assert np.all(np.abs(converted - np.clip(samples, -1, 32767 / 32768)) <= 0.5 / 32768)


@pytest.mark.parametrize("dbfs", [-60.0, -50.0])
def test_the_noise_floor_has_the_loudness_that_was_asked_for(dbfs):
    noise = NoiseFloor(dbfs).under(np.zeros(48000, np.float32))
    assert 20 * np.log10(np.sqrt(np.mean(noise**2))) == pytest.approx(dbfs, abs=0.1)


def test_the_noise_floor_is_the_same_every_time():
    silence = np.zeros(1000, np.float32)
    whole, floor = NoiseFloor().under(silence), NoiseFloor()
    pieces = [floor.under(silence[start : start + 77]) for start in range(0, len(silence), 77)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert whole.dtype == np.float32
