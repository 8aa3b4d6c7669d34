"""A gain for a stream, and what its limiter leaves of peaks."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.audio.level import MOST_GAIN_DB
from servers.audio.limiter import CEILING_DBTP, MARGIN_DB, LimitedGain
from servers.audio.resample import resample

RATE = 48_000
CEILING = 10 ** (CEILING_DBTP / 20)


@cache
def bursts(rate=RATE):
    """A second of noise of speech's bandwidth, in bursts that begin and end at once, up to full scale."""
    dice = np.random.default_rng(0)
    noise = resample(dice.standard_normal(16_000, dtype=np.float32), 16_000, rate)
    loud = np.repeat(dice.random(21) ** 3, rate // 20)[: len(noise)]
    shaped = noise * loud
    return (shaped / np.abs(shaped).max()).astype(np.float32)


def limited(samples, gain_db, rate=RATE):
    return LimitedGain(rate, gain_db).push(samples, last=True)


def true_peak(samples):
    """By soxr, at eight times the rate."""
    return float(np.abs(resample(samples.astype(np.float32), RATE, 8 * RATE)).max())


@settings(max_examples=40)
@given(
    length=st.integers(0, 6_000),
    cuts=st.lists(st.integers(0, 6_000), max_size=12),
    gain_db=st.sampled_from([-6.0, 0.0, 12.0, 30.0]),
    rate=st.sampled_from([8_000, 22_050, 48_000]),
)
def test_a_stream_in_chunks_of_any_size_equals_the_whole_to_the_bit(length, cuts, gain_db, rate):
    samples, stream = bursts()[:length], LimitedGain(rate, gain_db)
    bounds = [0, *sorted(min(cut, length) for cut in cuts), length]
    pieces = [stream.push(samples[a:b]) for a, b in pairwise(bounds)]
    joined = np.concatenate([*pieces, stream.push(samples[:0], last=True)])
    assert len(joined) == length
    assert np.array_equal(joined, limited(samples, gain_db, rate))


def test_what_stays_below_the_ceiling_is_only_amplified_and_not_moved():
    quiet = bursts() / 8
    assert np.array_equal(limited(quiet, 0.0), quiet)
    assert np.allclose(limited(quiet, 12.0), quiet * 10 ** (12 / 20), atol=1e-7)


@pytest.mark.parametrize("gain_db", [3.0, 12.0, 30.0])
@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_no_true_peak_is_above_the_ceiling(gain_db, rate):
    assert true_peak(bursts(rate=rate) * 10 ** (gain_db / 20)) > 1.4
    assert true_peak(limited(bursts(rate=rate), gain_db, rate)) <= CEILING


def test_a_peak_between_samples_is_found():
    """A quarter of the rate, 45° off: no sample of it is above 0.71 of its amplitude."""
    between = (1.2 * np.sin(2 * np.pi * np.arange(RATE // 2) / 4 + np.pi / 4)).astype(np.float32)
    assert np.abs(between).max() < CEILING
    kept = limited(between, 0.0)[1_000:-1_000]
    most = CEILING * 10 ** (-MARGIN_DB / 20) / np.sqrt(2)
    assert np.abs(kept).max() == pytest.approx(most, rel=0.01)


def test_it_falls_and_rises_smoothly_around_a_peak_and_lets_go_of_it():
    ground = np.full(RATE, 0.5, np.float32)
    struck = ground.copy()
    struck[RATE // 2] = 2.0
    gain = np.delete(limited(struck, 0.0) / struck, RATE // 2)
    assert gain.min() < 0.5
    assert np.abs(np.diff(gain)).max() < 0.01
    assert np.all(gain[: RATE // 2 - 600] == 1)
    assert gain[-1] > 0.98


def test_silence_and_nothing_stay_what_they_are():
    assert not limited(np.zeros(5_000, np.float32), 40.0).any()
    assert len(limited(np.zeros(0, np.float32), 40.0)) == 0


def test_a_gain_is_bounded_and_a_number():
    quiet = bursts() / 1000
    assert np.array_equal(limited(quiet, 300.0), limited(quiet, MOST_GAIN_DB))
    with pytest.raises(ValueError, match="nan"):
        LimitedGain(RATE, float("nan"))
