"""The word error rate."""

import pytest

from servers.text.score import word_error_rate


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [
        ("I have 12 cats.", "i have twelve cats", 0.0),
        ("one two three four", "one too three four", 0.25),
        ("one two", "one two three four", 1.0),
        ("one two three four", "", 1.0),
        ("—", "", 0.0),
        ("", "something", 1.0),
        ("There is nothing, and I won't", "there's nothing and I will not", 0.0),
        ("it's", "its", 1.0),
    ],
)
def test_the_rate_counts_wrong_missing_and_added_words(reference, hypothesis, rate):
    assert word_error_rate(reference, hypothesis) == pytest.approx(rate)


def test_numbers_are_compared_in_their_language():
    assert word_error_rate("12 Katzen", "zwölf katzen", "de") == 0.0
