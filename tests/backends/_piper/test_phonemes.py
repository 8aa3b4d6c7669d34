"""Whose the phonemes of a sentence are, from what espeak-ng says of its words alone and of the whole."""

from __future__ import annotations

import pytest

from servers.backends._piper.phonemes import phonemes_of_words, sounds


def parts(alone: str, said: str) -> list[str | None]:
    """What of `said` is each word's; those alone are written with a bar between them."""
    ranges = phonemes_of_words([list(word) for word in alone.split("|")], list(said))
    return [None if each is None else said[slice(*each)] for each in ranges]


def test_stress_is_of_the_sound_after_it_and_length_of_the_one_before():
    phonemes = "ˌaɪ tˈiː, ˈn̩"
    assert [phonemes[sound.start : sound.end] for sound in sounds(list(phonemes))] == [
        "ˌa", "ɪ", " ", "t", "ˈiː", " ", "ˈn̩",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("alone", "said", "expected"),
    [
        ("hˈaʊs|dˈɔːɹ", "hˈaʊs dˈɔːɹ.", ["hˈaʊs", " dˈɔːɹ"]),
        ("ðə|ˈɛnd|ʌv|ðə|ɹˈoʊd.", "ðɪʲ ˈɛnd ʌvðə ɹˈoʊd.", ["ðɪʲ", " ˈɛnd", " ʌv", "ðə", " ɹˈoʊd"]),
        ("ðˈæt|ɪt|wʌz|ˈeɪ|bˈɪt", "ðˌɐɾɪt wʌzɐ bˈɪt", ["ðˌɐɾ", "ɪt", " wʌz", "ɐ", " bˈɪt"]),
        ("həlˈoʊ, |wˈɜːld.", "həlˈoʊ, wˈɜːld.", ["həlˈoʊ", "wˈɜːld"]),
        ("fˈɪfti sˈɛnts|ɔːɹ", "fˈɪfti sˈɛnts ɔːɹ", ["fˈɪfti sˈɛnts", " ɔːɹ"]),
        ("ˌiːdʒˈiː.|ðˈɪs", "fˌɔːɹɛɡzˈæmpəl ðˈɪs", ["fˌɔːɹɛɡzˈæmpəl", " ðˈɪs"]),
        ("kˈɛs|kə|sˈɛ", "kɛskˌə sˈɛ?", ["kɛs", "kˌə", " sˈɛ"]),
        ("ðə|ðə|ðə", "ðə ðə ðə", ["ðə", " ðə", " ðə"]),
        ("stˈɑːp?|jˈɛs!", "stˈɑːp?jˈɛs!", ["stˈɑːp", "jˈɛs"]),
    ],
    ids=["plain", "of the", "that it", "pause", "two said", "in full", "qu'est-ce que", "same", "sentences"],
)
def test_each_word_gets_the_phonemes_that_are_said_for_it(alone, said, expected):
    assert parts(alone, said) == expected


def test_a_word_that_is_not_said_and_one_without_sound_have_none():
    assert parts("ˈaɪ||hæv|ɡˈoʊ", "ˈaɪ ɡˈoʊ") == ["ˈaɪ", None, None, " ɡˈoʊ"]


@pytest.mark.parametrize("said", ["", " ", "."])
def test_where_nothing_is_said_no_word_has_any(said):
    assert parts("ðə|ˈɛnd", said) == [None, None]
    assert phonemes_of_words([], list("ðə")) == []


def test_a_long_sentence_is_shared_out_to_its_last_word():
    words = ["ðə", "ˈoʊld", "kˈiːpɚ", "ʌv", "lˈaɪts"] * 60
    assert parts("|".join(words), " ".join(words)) == [words[0], *(f" {word}" for word in words[1:])]
