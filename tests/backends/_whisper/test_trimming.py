"""Words without the pauses around them."""

from __future__ import annotations

import numpy as np
import pytest

from servers.backends._whisper.trimming import SOFT_S, trimmed
from servers.text.timing import Span

RATE = 16_000


def speech(*spoken: tuple[float, float], seconds: float = 2.0) -> np.ndarray:
    samples = np.random.default_rng(0).normal(0, 0.001, int(seconds * RATE))
    for start, end in spoken:
        samples[int(start * RATE) : int(end * RATE)] *= 100
    return samples.astype(np.float32)


def test_a_pause_at_either_end_is_no_part_of_a_word():
    (span,) = trimmed([Span(0.2, 1.5, 0.9)], speech((0.5, 1.2)))
    assert (span.start, span.end) == pytest.approx((0.5 - SOFT_S, 1.2 + SOFT_S), abs=0.011)
    assert span.score == 0.9


def test_what_is_quiet_for_a_moment_is_no_pause():
    assert trimmed([Span(0.45, 1.25)], speech((0.5, 1.2))) == [Span(0.45, 1.25)]


def test_a_pause_inside_a_word_stays_in_it():
    assert trimmed([Span(0.5, 1.2)], speech((0.5, 0.6), (1.1, 1.2))) == [Span(0.5, 1.2)]


def test_a_word_that_is_quiet_throughout_keeps_its_times_and_one_without_has_none():
    assert trimmed([Span(1.4, 1.8), None], speech((0.5, 1.2))) == [Span(1.4, 1.8), None]


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros(50, np.float32), np.zeros(RATE, np.float32)]
)
def test_nothing_at_all_changes_nothing(samples):
    assert trimmed([Span(0.0, 0.5)], samples) == [Span(0.0, 0.5)]
