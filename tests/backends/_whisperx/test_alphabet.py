"""Words in the letters of an alignment model."""

from __future__ import annotations

import string

import pytest

from servers.backends._whisper.words import words_of
from servers.backends._whisperx.alphabet import Alphabet

TOKENS = ["<pad>", "|", *string.ascii_lowercase, "'", "ü"]
LETTERS = {token: place for place, token in enumerate(TOKENS)}


def spelt(text: str, language: str = "en", letters: dict[str, int] = LETTERS) -> str:
    """The tokens of a text, a wildcard as *."""
    tokenized = Alphabet(letters, len(TOKENS)).tokenize(words_of(text, language))
    return "".join([*TOKENS, "*"][token] for token in tokenized.tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there", "hello|there"),
        ("Well, it's “so”!", "well|it's|so"),
        ("  two\n\tlines ", "two|lines"),
        ("45 years", "forty|five|years"),
        ("$45.50", "forty|five|dollars|fifty|cents"),
        ("— so —", "so"),
        ("🙂", ""),
        ("Wójcik", "wojcik"),  # the letter without its accent is known
        ("über u\u0308ber", "über|über"),  # written with one character or with two
        ("三 so", "*|so"),
        ("B2B", "b|two|b"),
        ("50%", "fifty|percent"),
    ],
)
def test_a_text_is_written_in_the_letters_that_are_known(text, expected):
    assert spelt(text) == expected


def test_a_number_without_words_for_it_is_wildcards():
    few = {letter: place for letter, place in LETTERS.items() if letter not in "fty"}
    assert spelt("45 on", letters=few) == "**|on"


def test_a_model_without_a_separator_has_none():
    assert spelt("so what", letters={k: v for k, v in LETTERS.items() if k != "|"}) == "sowhat"


def test_a_script_without_spaces_has_a_word_for_each_character():
    assert [word.word for word in words_of("你好 a。", "zh")] == ["你", "好", "a", "。"]
    assert [word.start for word in words_of("你好 a。", "zh")] == [0, 1, 3, 4]


def test_a_word_is_known_if_the_alphabet_has_anything_of_it():
    tokenized = Alphabet(LETTERS, len(TOKENS)).tokenize(words_of("so 三 — 三a 45", "en"))
    assert [tokenized.is_known(word) for word in range(5)] == [True, False, False, True, True]


def test_the_blank_is_found_by_its_name():
    assert Alphabet({"a": 0, "[pad]": 1}, 2).blank == 1
    assert Alphabet({"a": 1, "b": 2}, 3).blank == 0
