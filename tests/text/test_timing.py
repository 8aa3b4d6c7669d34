"""Times for every word, also for those with none of their own."""

from hypothesis import given
from hypothesis import strategies as st

from servers.text.timing import Span, timed_words


def times(spans, duration=10.0):
    return [(word.start, word.end) for word in timed_words(["w"] * len(spans), spans, duration)]


def test_a_word_without_times_fills_the_gap_between_its_neighbours():
    assert times([Span(1, 2), None, Span(4, 5)]) == [(1, 2), (2, 4), (4, 5)]


def test_several_such_words_share_it_equally():
    assert times([None, None, Span(4, 5), None]) == [(0, 2), (2, 4), (4, 5), (5, 10)]


def test_a_score_stays_with_its_word_and_none_is_made_up():
    words = timed_words(["a", "—"], [Span(0, 1, 0.5), None], 2)
    assert [word.score for word in words] == [0.5, None]


NUMBERS = st.floats(-1, 12)


@given(st.lists(st.none() | st.builds(Span, NUMBERS, NUMBERS), max_size=20))
def test_words_are_always_in_order_and_inside_the_audio(spans):
    found = times(spans)
    assert all(0 <= start <= end <= 10 for start, end in found)
    assert found == sorted(found, key=lambda pair: pair[0])
