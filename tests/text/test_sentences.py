"""Paragraphs and sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.text.sentences import paragraphs, sentences


def test_blank_lines_separate_paragraphs_and_line_breaks_do_not():
    assert paragraphs("One\ntwo.\n\nThree.\r\n \r\n\r\n  Four. \n") == ["One two.", "Three.", "Four."]


def test_a_text_of_nothing_has_no_paragraphs():
    assert paragraphs(" \n\n \n") == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. R. Jones. He left.", ["Dr. Smith met J. R. Jones.", "He left."]),
        ("It was I. He left.", ["It was I.", "He left."]),
        ("It costs 3.50 dollars. Cheap.", ["It costs 3.50 dollars.", "Cheap."]),
        ('"Really?" he asked. "Yes!"', ['"Really?" he asked.', '"Yes!"']),
        ("At 5 p.m. on Monday, e.g. Easter.", ["At 5 p.m. on Monday, e.g. Easter."]),
        ("The end… It came.", ["The end…", "It came."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_stop(text, parts):
    assert sentences(text) == parts


@given(st.text(alphabet="aA1.!? \"'…。\n", max_size=80))
def test_sentences_lose_nothing_but_white_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
