"""From Whisper's tokens and the path through its attention to the words of a text."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from servers.backends._whisper.attention import SCORE_POWER, Spelt, TokenTimes, token_times, word_spans
from servers.backends._whisper.words import words_of


def test_a_token_begins_where_the_path_first_meets_it():
    path = [(0, 3), (0, 4), (1, 5), (2, 5), (2, 9), (3, 12)]
    times = token_times(SimpleNamespace(alignments=path, text_token_probs=[0.5, 0.9, 0.8]))
    assert times.begins == pytest.approx([0.06, 0.1, 0.1, 0.24])


def spans(text, offsets, begins, probabilities, language="en"):
    spelt = Spelt(list(range(len(offsets))), offsets)
    return word_spans(words_of(text, language), spelt, TokenTimes(np.array(begins), probabilities))


def test_a_word_lasts_from_its_first_token_to_the_one_after_its_last():
    first, second = spans("hello you", [(0, 3), (3, 5), (5, 9)], [0.1, 0.3, 0.6, 1.0], [0.25, 1.0, 0.5])
    assert (first.start, first.end) == pytest.approx((0.1, 0.6))
    assert first.score == pytest.approx(0.5**SCORE_POWER, abs=1e-4)
    assert second.end == pytest.approx(1.0)


def test_what_nobody_says_has_no_time():
    assert [each is None for each in spans("a — b", [(0, 1), (1, 3), (3, 5)], [0, 1, 2, 3], [1, 1, 1])] == [
        False,
        True,
        False,
    ]


def test_two_characters_of_one_token_share_its_time():
    first, second = spans("你好", [(0, 2)], [1.0, 2.0], [1.0], "zh")
    assert (first.start, first.end, second.start, second.end) == (1.0, 1.5, 1.5, 2.0)


def test_what_is_beyond_the_window_has_no_time_either():
    assert spans("a b", [(0, 1), (1, 3)], [0.0, 1.0], [1.0])[1] is None


def test_no_word_is_so_unlikely_that_its_score_is_none():
    (only,) = spans("a", [(0, 1)], [0.0, 1.0], [0.0])
    assert 0 < only.score < 0.02
