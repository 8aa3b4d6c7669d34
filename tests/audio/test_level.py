"""The level of speech, and what is done to a quiet recording."""

import math

import numpy as np
import pytest

from servers.audio.level import MOST_GAIN_DB, USUAL_DBFS, level_dbfs, usual_gain

RATE = 16_000


def sound(dbfs: float, seconds: float = 3.0) -> np.ndarray:
    """Noise of that RMS."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE)) * 10 ** (dbfs / 20)
    return noise.astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def level(*blocks: np.ndarray) -> float:
    return level_dbfs(blocks, RATE)


@pytest.mark.parametrize("dbfs", [-60.0, -33.0, -10.0])
def test_the_level_is_the_rms_of_what_is_said_whatever_the_pauses(dbfs):
    assert level(silence(30), sound(dbfs), silence(60)) == pytest.approx(dbfs, abs=1.0)


def test_it_is_the_same_in_blocks_of_any_length():
    whole = sound(-30.0, 6.0)
    assert level(*np.split(whole, 10)) == pytest.approx(level(whole), abs=0.1)


def test_a_click_is_not_the_level():
    clicking = sound(-50.0)
    clicking[[100, 20_000, 40_000]] = 1.0
    assert level(clicking) == pytest.approx(-50.0, abs=1.0)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.02, 5.0])
def test_silence_of_any_length_has_no_level(seconds):
    assert level(silence(seconds)) == level() == -math.inf


@pytest.mark.parametrize("dbfs", [-50.0, -30.0])
def test_a_quiet_recording_is_made_as_loud_as_usual(dbfs):
    quiet = sound(dbfs)
    assert level(quiet * usual_gain(level(quiet))) == pytest.approx(USUAL_DBFS, abs=0.01)


@pytest.mark.parametrize("dbfs", [USUAL_DBFS, USUAL_DBFS + 1, 0.0])
def test_a_loud_one_is_left_as_it_is(dbfs):
    assert usual_gain(dbfs) == 1


@pytest.mark.parametrize("dbfs", [-90.0, -math.inf])
def test_what_is_almost_nothing_is_amplified_no_further_than_the_bound(dbfs):
    assert usual_gain(dbfs) == pytest.approx(10 ** (MOST_GAIN_DB / 20))
