"""Spans packed into what fits: in order, nothing lost, cut at the coarsest place there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.text.packing import CLAUSES, WORDS, between, characters, halves, packed
from servers.text.sentences import sentence_spans

CUTS = (CLAUSES, WORDS, characters)


def pieces(text, longest, cuts=CUTS, size=len, **rules):
    fits = lambda part: size(part) <= longest  # noqa: E731
    return [text[start:end] for start, end in packed(text, sentence_spans(text), fits, cuts, **rules)]


def test_neighbours_are_joined_as_they_were_written_while_they_fit():
    assert pieces("One.  Two.\nThree. Four.", 10) == ["One.  Two.", "Three.", "Four."]


def test_no_more_are_joined_than_may_be():
    assert pieces("One. Two. Three. Four. Five.", 100, most=2) == ["One. Two.", "Three. Four.", "Five."]


def test_the_first_has_a_limit_of_its_own():
    found = pieces("One. Two. Three. Four.", 100, first=lambda part: len(part) < 10)
    assert found == ["One. Two.", "Three. Four."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes. He came, saw, and won.", ["Yes.", "He came,", "saw,", "and won."]),
        ("seven words of nothing but words", ["seven", "words of", "nothing", "but words"]),
        ("1,000,000,000", ["1,000,000", ",000"]),
        ("这是一句话，很长的一句话。", ["这是一句话，", "很长的一句话。"]),
    ],
    ids=["at clauses", "at words", "never inside a number if there is another way", "at full-width marks"],
)
def test_what_does_not_fit_is_cut(text, expected):
    assert pieces(text, 9) == expected


def test_the_rest_of_what_was_cut_is_joined_with_what_follows():
    assert pieces("A long one, b. C.", 12) == ["A long one,", "b. C."]


def test_a_letter_keeps_its_marks_unless_it_alone_is_too_long():
    assert pieces("ae\u0301", 2) == ["a", "e\u0301"]
    assert pieces("ae\u0301", 1) == ["a", "e", "\u0301"]


def test_halves_are_for_those_who_measure_seldom():
    calls = []
    found = pieces("x" * 1000, 100, (CLAUSES, WORDS, halves), lambda part: calls.append(1) or len(part))
    assert "".join(found) == "x" * 1000
    assert len(calls) < 100


def test_what_is_white_space_between_places_is_nothing():
    assert between(" a  b ", [0, 2, 3, 6]) == [(1, 2), (4, 5)]


@given(
    st.text(alphabet="ab ,.。\n\u0301字", max_size=60),
    st.integers(1, 9),
    st.sampled_from([characters, halves]),
)
def test_nothing_is_lost_and_nothing_is_too_long(text, longest, finest):
    found = pieces(text, longest, (CLAUSES, WORDS, finest))
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(each) <= longest and each == each.strip() for each in found)
