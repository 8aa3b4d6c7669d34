"""Resampling, in one go and in chunks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.audio.resample import StreamResampler, resample


def tone(rate, seconds=0.5, hz=440.0):
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(22050, 16000), (24000, 48000), (44100, 16000), (8000, 24000)]
)
def test_a_tone_is_the_same_tone_at_another_rate(from_hz, to_hz):
    resampled, wanted = resample(tone(from_hz), from_hz, to_hz), tone(to_hz)
    assert abs(len(resampled) - len(wanted)) <= 1
    middle = slice(len(wanted) // 4, len(wanted) // 2)
    assert np.max(np.abs(resampled[middle] - wanted[middle])) < 1e-3


def test_a_stream_in_chunks_of_any_size_equals_the_whole():
    samples, stream = tone(24000), StreamResampler(24000, 16000)
    cuts = [0, 1, 777, 778, 5000, len(samples)]
    pieces = [stream.push(samples[a:b], last=b == len(samples)) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(pieces), resample(samples, 24000, 16000))


@settings(max_examples=40)
@given(
    length=st.integers(0, 8_000),
    cuts=st.lists(st.integers(0, 8_000), max_size=20),
    rates=st.sampled_from([(22_050, 48_000), (24_000, 48_000), (16_000, 48_000), (48_000, 8_000)]),
)
def test_no_sample_is_lost_or_added_however_a_stream_is_cut(length, cuts, rates):
    samples, stream = tone(rates[0], 1.0)[:length], StreamResampler(*rates)
    bounds = [0, *sorted(min(cut, length) for cut in cuts), length]
    pieces = [stream.push(samples[a:b]) for a, b in pairwise(bounds)]
    joined = np.concatenate([*pieces, stream.push(samples[:0], last=True)])
    assert len(joined) == pytest.approx(length * rates[1] / rates[0], abs=1)
    assert np.array_equal(joined, resample(samples, *rates))


def test_a_stream_in_chunks_has_no_click():
    """A click is heard at all frequencies: above the tone there is nothing."""
    samples, stream = tone(22_050, 1.0), StreamResampler(22_050, 48_000)
    pieces = [stream.push(samples[at : at + 441]) for at in range(0, len(samples), 441)]
    joined = np.concatenate([*pieces, stream.push(samples[:0], last=True)])[4_800:-4_800]
    spectrum = np.abs(np.fft.rfft(joined * np.hanning(len(joined))))
    hz = np.fft.rfftfreq(len(joined), 1 / 48_000)
    assert spectrum[hz > 1_000].max() < 1e-4 * spectrum.max()


def test_equal_rates_change_nothing():
    samples = tone(16000)
    assert np.array_equal(resample(samples, 16000, 16000), samples)
    assert np.array_equal(StreamResampler(16000, 16000).push(samples, last=True), samples)


def test_no_samples_resample_to_no_samples():
    assert len(resample(np.zeros(0, np.float32), 24000, 16000)) == 0
