"""A stretch of speech: its first sound, its end, and the pause after it, however the samples come in."""

from __future__ import annotations

import numpy as np
import pytest

from servers.audio.trim import FADE_S, KEPT_S, LONGEST_TRIM_S, Trimmer

RATE = 24_000


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def hiss(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)


def taken(
    samples: np.ndarray, size: int = 1920, pause_s: float | None = None, trims: bool = True
) -> np.ndarray:
    """The samples pushed in chunks of `size`."""
    take = Trimmer(RATE, trims)
    chunks = [take.push(samples[start : start + size]) for start in range(0, len(samples), size)]
    return np.concatenate([*chunks, take.end(pause_s)])


@pytest.mark.parametrize("size", [100, 1920, 3840, 50_000])
def test_silence_before_the_first_sound_is_left_out_but_for_a_moment(size):
    heard = taken(np.concatenate((hiss(0.5), tone(0.5))), size)
    assert len(heard) / RATE == pytest.approx(0.5 + KEPT_S, abs=0.011)
    np.testing.assert_array_equal(heard[-RATE // 4 :], tone(0.5)[-RATE // 4 :])


@pytest.mark.parametrize("size", [100, 1920, 50_000])
def test_how_the_samples_come_in_changes_nothing(size):
    samples = np.concatenate((hiss(0.31), tone(0.2), hiss(0.4), tone(0.1)))
    np.testing.assert_array_equal(taken(samples, size, 0.3), taken(samples, 777, 0.3))


def test_speech_that_begins_at_once_is_not_touched():
    np.testing.assert_array_equal(taken(tone(0.3)), tone(0.3))
    np.testing.assert_array_equal(taken(np.concatenate((hiss(0.02), tone(0.3))))[-7200:], tone(0.3))


def test_the_cut_in_the_silence_fades_in():
    heard = taken(np.concatenate((np.full(RATE // 2, 0.002, np.float32), tone(0.2))))
    assert heard[0] == 0
    assert np.abs(np.diff(heard[: round(FADE_S * RATE)])).max() < 1e-4


def test_a_long_silence_may_be_meant_and_only_its_first_second_goes():
    heard = taken(np.concatenate((hiss(3), tone(0.2))))
    assert len(heard) / RATE == pytest.approx(3.2 - LONGEST_TRIM_S, abs=0.011)


def test_silence_alone_is_not_nothing():
    assert len(taken(hiss(0.5))) == round(KEPT_S * RATE)


def test_nothing_is_left_out_where_that_is_not_wanted():
    samples = np.concatenate((hiss(0.5), tone(0.2)))
    np.testing.assert_array_equal(taken(samples, trims=False), samples)


def test_a_pause_is_filled_up_to_its_length_and_the_end_fades_out():
    heard = taken(np.concatenate((tone(0.2), hiss(0.1))), pause_s=0.25)
    assert len(heard) / RATE == pytest.approx(0.2 + 0.25, abs=0.002)
    cut = taken(tone(0.2), pause_s=0.25)
    assert len(cut) / RATE == pytest.approx(0.2 + 0.25, abs=0.007)
    assert np.abs(np.diff(cut)).max() < 0.03


def test_a_pause_that_is_there_already_is_not_made_longer():
    assert len(taken(np.concatenate((tone(0.2), hiss(0.6))), pause_s=0.25)) == round(0.8 * RATE)


def test_no_more_than_a_fade_is_held_back_while_somebody_speaks():
    take = Trimmer(RATE)
    assert len(take.push(tone(0.16))) == round(0.16 * RATE) - round(FADE_S * RATE)
