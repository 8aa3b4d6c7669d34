"""Times for every word, also for those with none of their own."""

import re

from hypothesis import given
from hypothesis import strategies as st

from servers.text.timing import Span, timed_sentences, timed_words


def times(spans, duration=10.0):
    return [(word.start, word.end) for word in timed_words(["w"] * len(spans), spans, duration)]


def test_a_word_without_times_fills_the_gap_between_its_neighbours():
    assert times([Span(1, 2), None, Span(4, 5)]) == [(1, 2), (2, 4), (4, 5)]


def test_several_such_words_share_it_equally():
    assert times([None, None, Span(4, 5), None]) == [(0, 2), (2, 4), (4, 5), (5, 10)]


def test_a_score_stays_with_its_word_and_none_is_made_up():
    words = timed_words(["a", "—"], [Span(0, 1, 0.5), None], 2)
    assert [word.score for word in words] == [0.5, None]
    assert [word.interpolated for word in words] == [False, True]


def test_sentences_have_the_words_that_begin_in_them():
    text = " It rained.  He said: “No!”\nand left。So it is"
    begins = [match.start() for match in re.finditer(r"\S+", text)]
    words = timed_words(text.split(), [Span(index, index + 1) for index in range(len(begins))], 20)
    found = timed_sentences(text, begins, words)
    assert [segment.text for segment in found] == ["It rained.", "He said: “No!” and left。So", "it is"]
    assert [(segment.start, segment.end) for segment in found] == [(0, 2), (2, 7), (7, 9)]
    assert [word for segment in found for word in segment.words] == list(words)


def test_a_text_without_words_has_no_sentences():
    assert timed_sentences("", [], ()) == ()


NUMBERS = st.floats(-1, 12)


@given(st.lists(st.none() | st.builds(Span, NUMBERS, NUMBERS), max_size=20))
def test_words_are_always_in_order_and_inside_the_audio(spans):
    found = times(spans)
    assert all(0 <= start <= end <= 10 for start, end in found)
    assert found == sorted(found, key=lambda pair: pair[0])


def test_words_that_begin_later_share_what_is_left_from_there():
    words = timed_words(["a", "b", "c"], [None, Span(6, 7), None], end_s=9, begin_s=4)
    assert [(word.start, word.end) for word in words] == [(4, 6), (6, 7), (7, 9)]
