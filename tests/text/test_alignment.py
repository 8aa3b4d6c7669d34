"""A whole alignment: its score, and when a text is warned of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.speech import Word
from servers.text.alignment import FITS_FROM, alignment, text_score


def words(*scores: float | None) -> list[Word]:
    """A second each."""
    return [Word(word="w", start=at, end=at + 1, score=score) for at, score in enumerate(scores)]


def judged(*scores: float | None, unread_s: float = 0.0):
    text = " ".join("w" * len(scores))
    return alignment(text, "en", 9.0, words(*scores), [2 * at for at in range(len(scores))], unread_s)


def test_the_score_is_the_geometric_mean_of_those_of_the_words():
    assert text_score(words(0.9, 0.4)) == pytest.approx(0.6)
    assert text_score(words(0.9, None, 0.4)) == pytest.approx(0.6)


def test_a_word_that_does_not_fit_at_all_does_not_bring_it_to_0():
    assert text_score(words(*[1.0] * 9, 0.0)) == pytest.approx(0.02**0.1, abs=1e-3)


def test_what_is_said_and_not_in_the_text_takes_its_share():
    assert text_score(words(0.8, 0.8), unread_s=2.0) == pytest.approx(0.4)


@pytest.mark.parametrize("scores", [(), (None,), (None, None)])
def test_without_any_score_there_is_none_and_no_warning(scores):
    assert text_score(words(*scores), unread_s=1.0) is None
    assert judged(*scores).warning is None


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 100))
def test_it_is_in_0_to_1(scores, unread_s):
    assert 0 <= text_score(words(*scores), unread_s) <= 1


def test_a_text_is_warned_of_only_below_the_threshold():
    assert judged(FITS_FROM).warning is None
    assert "its score is 0.44" in judged(FITS_FROM - 0.01).warning
    assert "its score is 0.40" in judged(0.8, unread_s=1.0).warning


def test_the_words_are_in_the_sentences():
    found = judged(0.9, 0.9)
    assert [segment.words for segment in found.segments] == [found.words]
    assert (found.text, found.language, found.duration_s) == ("w w", "en", 9.0)
