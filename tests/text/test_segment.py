from __future__ import annotations

import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.errors import InvalidRequest, MissingExtra
from servers.text.segment import STRATEGIES, segment

PIECES = [
    "Yes.",
    "No!",
    "Dr. Who",
    "word",
    "and so on,",
    "—",
    " ",
    "\n",
    "\n\n",
    "これは、",
    "です。",
    "x" * 40,
    "e\u0301",
]
TEXTS = st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def without_space(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.sampled_from(sorted(STRATEGIES)), st.integers(1, 80), st.sampled_from(["en", "ja", "ko"]))
@settings(max_examples=200)
def test_the_segments_are_the_text_up_to_white_space_and_none_is_too_long(
    text, strategy, max_chars, language
):
    segments = segment(text, language, strategy, max_chars)
    assert without_space("".join(segments)) == without_space(text)
    assert all(0 < len(each) <= max_chars and each == each.strip() for each in segments)


@given(st.lists(st.sampled_from(["One.", "Two words.", "A third sentence."]), min_size=1, max_size=30))
@settings(max_examples=50)
def test_no_two_neighbours_would_have_fitted_into_one_segment(sentences):
    segments = segment(" ".join(sentences), max_chars=40)
    assert all(len(f"{one} {other}") > 40 for one, other in pairwise(segments))


CHAPTER = "Mr. Smith left. He came back. It rained. He slept.\n\nThe end"


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("char_count", ["Mr. Smith left. He came back. It rained. He slept.\n\nThe end"]),
        ("paragraph", ["Mr. Smith left. He came back. It rained. He slept.", "The end"]),
        ("sentence_count", ["Mr. Smith left. He came back. It rained.", "He slept.\n\nThe end"]),
        ("sentence", ["Mr. Smith left.", "He came back.", "It rained.", "He slept.", "The end"]),
    ],
)
def test_a_strategy_says_what_may_share_a_segment(strategy, expected):
    assert segment(CHAPTER, strategy=strategy) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "He came, saw (as ever), and conquered it all",
            ["He came,", "saw (as ever),", "and conquered it", "all"],
        ),
        ("one two three four five six", ["one two three", "four five six"]),
        ("x" * 20, ["x" * 16, "x" * 4]),
        ("a" * 15 + "e\u0301", ["a" * 15, "e\u0301"]),
    ],
    ids=["at a clause", "at a space", "anywhere", "but not inside a character"],
)
def test_a_long_sentence_is_cut(text, expected):
    assert segment(text, max_chars=16) == expected


@pytest.mark.parametrize("language", ["italian", "Italian", "it", "it-IT", "it_CH"])
def test_a_language_goes_by_its_name_or_its_tag(language):
    assert segment("Ciao. Come va?", language, "sentence") == ["Ciao.", "Come va?"]


@pytest.mark.parametrize("language", ["japanese", "ko", "thai", "vietnamese", "xx"])
def test_languages_whose_tokenizers_are_not_there_are_segmented_too(language):
    assert segment("Hai. Ba.", language, "sentence") == ["Hai.", "Ba."]


@pytest.mark.parametrize(
    ("arguments", "param", "message"),
    [
        ({"language": "klingon"}, "language", "no language 'klingon'; possible are .*english.*italian"),
        ({"language": ""}, "language", "possible are"),
        ({"strategy": "x"}, "strategy", "'x'; possible are char_count, paragraph, sentence, sentence_count"),
    ],
)
def test_what_is_not_known_is_said_with_what_is(arguments, param, message):
    with pytest.raises(InvalidRequest, match=message) as raised:
        segment("text", **arguments)
    assert raised.value.param == param


def test_without_spacy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtra, match=r"'spacy'.*uv pip install -e '\.\[spacy\]'"):
        segment("text")
