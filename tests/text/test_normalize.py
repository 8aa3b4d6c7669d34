"""What a text says: every way of writing a number, and the words as the caller wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.text.normalize import speakable, spoken_words


def said(text, language="en"):
    return " ".join(part for word in spoken_words(text, language) for part in word.spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("12", "twelve"),
        ("1,200,000", "one million two hundred thousand"),
        ("121", "one hundred twenty one"),
        ("-5", "minus five"),
        ("3.10", "three point one zero"),
        ("0.5", "zero point five"),
        ("3rd 21st 100th", "third twenty first one hundredth"),
        ("1945 2005 2025", "nineteen forty five two thousand five twenty twenty five"),
        ("1990s", "nineteen nineties"),
        ("$45.50", "forty five dollars fifty cents"),
        ("$1", "one dollar"),
        ("$0.99", "ninety nine cents"),
        ("£2 €3 ¥100", "two pounds three euros one hundred yen"),
        ("$3m", "three million dollars"),
        ("$1.5bn", "one point five billion dollars"),
        ("12.5%", "twelve point five percent"),
        ("7:00 10:05 18:30", "seven o'clock ten oh five eighteen thirty"),
        ("10-20", "ten to twenty"),
        ("555-1234", "five five five one two three four"),
        ("007", "zero zero seven"),
        ("1" * 20, " ".join(["one"] * 20)),
        ("Mr. O'Neil", "mister o'neil"),
        ("well-known", "well known"),
        ("AT&T", "at and t"),
        ("and/or", "and or"),
        ("C++", "c plus plus"),
        ("<b>hi</b>", "b hi b"),
        ("x3", "x three"),
        ("don’t", "don't"),
        ("— :-) ❤️ …", ""),
    ],
)
def test_what_is_written_is_said_as_a_reader_would(written, spoken):
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("de", "12", "zwölf"),
        ("de-DE", "1.000,5", "eintausend komma fünf"),
        ("fr", "-5", "moins cinq"),
        ("zh", "12 3.5", "12 3.5"),
        ("tlh", "7", "7"),
        ("de", "5 & 10%", "fünf & zehn %"),
        ("hi", "हिन्दी", "हिन्दी"),
    ],
)
def test_other_languages_say_the_numbers_they_know_and_keep_the_others(language, written, spoken):
    assert said(written, language) == spoken


def test_speakable_text_keeps_capitals_and_pauses_and_drops_what_cannot_be_said():
    assert speakable("NASA paid ($45.50), ❤️ really!") == "NASA paid (forty-five dollars fifty cents), really!"


def test_an_abbreviation_ends_no_sentence_in_speakable_text():
    assert speakable("Dr. Who") == "doctor Who"


@given(st.text(max_size=120), st.sampled_from(["en", "de", "zh", "fr-CA"]))
def test_the_words_are_the_tokens_of_the_text_and_their_spans_lie_on_them(text, language):
    words = spoken_words(text, language)
    assert [word.word for word in words] == text.split()
    assert all(text[word.start : word.end] == word.word for word in words)


@given(st.text(alphabet="0123456789.,:-%$€£stndrhkmb 's/", max_size=40))
def test_no_writing_of_a_number_is_too_odd_and_no_digit_is_left_in_english(text):
    assert not any(char.isdigit() for char in said(text) + speakable(text))


@given(st.text(max_size=80))
def test_spoken_words_are_lower_case_and_hold_no_white_space(text):
    for word in spoken_words(text):
        assert all(part == part.lower() and part.split() == [part] for part in word.spoken)
