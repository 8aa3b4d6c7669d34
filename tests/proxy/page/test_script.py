"""A text with voice tags becomes the sentences that are spoken, in the browser that speaks them."""

from __future__ import annotations

import pytest


@pytest.fixture
def sentences(module):
    def of(text):
        found = module("script", "sentencesOf", text, "en")
        return [(each["text"], each["voice"], each["paragraph"]) for each in found]

    return of


def texts(found):
    return [text for text, _, _ in found]


def test_blank_lines_begin_paragraphs_and_other_line_breaks_are_spaces(sentences):
    assert sentences("One.\nTwo\nthree.\n\n\nFour.\r\n\r\nFive.") == [
        ("One.", None, 0),
        ("Two three.", None, 0),
        ("Four.", None, 1),
        ("Five.", None, 2),
    ]


def test_a_tag_is_who_speaks_until_the_next_one_and_default_goes_back(sentences):
    found = sentences("I am I.\n[joe] I am Joe.\nStill Joe.\n\nAnd here.\n[ Default ]\nI again.")
    assert [(text, voice) for text, voice, _ in found] == [
        ("I am I.", None),
        ("I am Joe.", "joe"),
        ("Still Joe.", "joe"),
        ("And here.", "joe"),
        ("I again.", None),
    ]


@pytest.mark.parametrize(
    "text", ["[1] A footnote.", "[a link](https://x.example) is no tag.", "Not [joe] here."]
)
def test_other_brackets_are_no_tags(sentences, text):
    assert sentences(text) == [(text, None, 0)]


@pytest.mark.parametrize(
    "text",
    ["Dr. Smith met Mrs. J. Brown.", "They came, e.g. by train, at 5 p.m. today.", "It was No. 5 of them."],
)
def test_no_sentence_ends_at_a_short_form(sentences, text):
    assert texts(sentences(text)) == [text]


@pytest.mark.parametrize("text", ["", "  \n\n", "🎉 …", "***\n\n---"])
def test_what_cannot_be_said_is_no_sentence(sentences, text):
    assert sentences(text) == []


def test_marks_alone_are_no_sentence(sentences):
    assert texts(sentences("One. * * * Two. ***")) == ["One.", "* * * Two. ***"]


def test_a_sentence_that_is_too_long_breaks_at_a_clause_and_loses_nothing(sentences):
    text = "and so it went on, " * 60 + "to the end."
    found = texts(sentences(text))
    assert all(len(each) <= 400 for each in found)
    assert all(each.endswith(",") for each in found[:-1])
    assert " ".join(found) == text


def test_a_word_without_an_end_is_cut_between_characters(sentences):
    text = "𝕒" * 900
    found = texts(sentences(text))
    assert "".join(found) == text
    assert all(len(each.encode("utf-16-le")) <= 800 for each in found)


def test_other_languages_have_sentences_too(sentences):
    assert texts(sentences("今日は。いい天気です。")) == ["今日は。", "いい天気です。"]


@pytest.mark.parametrize(
    ("length", "says"),
    [
        (0, "nothing to say yet"),
        (300_000, None),
        (1_000_000, "1,000,000 characters, and 300,000 are possible"),
    ],
)
def test_a_text_that_is_empty_or_a_megabyte_long_is_refused_with_a_sentence(module, length, says):
    refusal = module("script", "refusalOf", "a" * length)
    assert refusal is says is None or says in refusal


@pytest.mark.parametrize(
    ("languages", "label"),
    [
        (["fr-FR", "fr"], "ida (French, female)"),
        (["de"], "ida (German, female)"),
        (["de", "en"], "ida (female)"),
        ([], "ida (female)"),
    ],
)
def test_a_voice_is_listed_with_its_language_where_it_has_one(module, languages, label):
    voice = {"name": "ida", "model": "a/b", "languages": languages, "gender": "female"}
    (_, group) = module("voices", "groupsOf", {"voices": [voice]}, "")
    assert group["choices"][0]["label"] == label
