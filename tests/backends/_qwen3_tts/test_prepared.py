"""Long texts in pieces: whole sentences where they fit, nothing lost, nothing too long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the extra [qwen]")

from servers.backends._qwen3_tts.prepared import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S, pieces


def words(text: str) -> int:
    return len(text.split())


def letters(text: str) -> list[str]:
    return re.findall(r"\S", text)


def test_a_text_that_fits_is_one_piece_as_it_was_written():
    text = "  One.\n\nTwo,   three. "
    assert [(piece.text, piece.pause_s) for piece in pieces(text, 3, words)] == [("One.\n\nTwo,   three.", 0)]


def test_sentences_go_together_as_long_as_they_fit():
    found = pieces("One two. Three four. Five six seven. Eight.", 4, words)
    assert [piece.text for piece in found] == ["One two. Three four.", "Five six seven. Eight."]
    assert [piece.pause_s for piece in found] == [SENTENCE_PAUSE_S, 0]


def test_a_paragraph_ends_a_piece_with_a_longer_pause():
    found = pieces("One two.\n\nThree four.\n\nFive.", 4, words)
    assert [piece.text for piece in found] == ["One two.", "Three four.", "Five."]
    assert [piece.pause_s for piece in found] == [PARAGRAPH_PAUSE_S, PARAGRAPH_PAUSE_S, 0]


def test_a_long_sentence_is_cut_between_its_clauses():
    found = pieces("One two three, four five six; seven eight.", 4, words)
    assert [piece.text for piece in found] == ["One two three,", "four five six;", "seven eight."]


def test_a_clause_without_end_is_cut_between_words_and_a_word_without_end_anywhere():
    assert [piece.text for piece in pieces("one two three four five", 2, words)] == [
        "one two",
        "three four",
        "five",
    ]
    assert [piece.text for piece in pieces("abcdefgh", 3, len)] == ["ab", "cd", "ef", "gh"]


def test_chinese_is_cut_at_its_own_marks_and_joined_without_spaces():
    found = pieces("第一句。第二句！第三句很长，还有一半。", 8, len)
    assert [piece.text for piece in found] == ["第一句。第二句！", "第三句很长，", "还有一半。"]


def test_the_first_piece_can_be_shorter():
    found = pieces("One two. Three four. Five six. Seven.", 6, words, first=2)
    assert [piece.text for piece in found] == ["One two.", "Three four. Five six. Seven."]


@given(st.text(alphabet="ab ,.。!\n字", min_size=1).filter(str.strip), st.integers(1, 12))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, longest: int):
    found = pieces(text, longest, lambda piece: len(letters(piece)))
    assert letters("".join(piece.text for piece in found)) == letters(text)
    assert all(piece.text.strip() for piece in found)
    assert all(len(letters(piece.text)) <= longest for piece in found)
    assert found[-1].pause_s == 0


@pytest.mark.parametrize("longest", [16, 40])
def test_a_book_is_cut_in_a_moment(longest: int):
    text = "It was a dark and stormy night, and the rain fell in torrents. " * 300
    calls = 0

    def size(piece: str) -> int:
        nonlocal calls
        calls += 1
        return words(piece)

    assert all(words(piece.text) <= longest for piece in pieces(text, longest, size))
    assert calls < 2_000
