from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.elevenlabs.pending import LONGEST_CHARS, Pending


def spoken(*pieces: str) -> list[list[str]]:
    """What each piece completes, and at last what the flush gives."""
    pending = Pending()
    return [*(pending.add(piece) for piece in pieces), pending.flush()]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (("Hello", " there.", " How"), [[], [], ["Hello there."], ["How"]]),
        (("Hello there. ", "How"), [["Hello there."], [], ["How"]]),
        (("One. Two! Three? Fo", "ur"), [["One.", "Two!", "Three?"], [], ["Four"]]),
        (("Dr. ", "Smith is 3.5 m tall. "), [[], ["Dr. Smith is 3.5 m tall."], []]),
        (('He said: "So." ', "She"), [['He said: "So."'], [], ["She"]]),
        (("你好。我", "是"), [["你好。"], [], ["我是"]]),
        ((" ", "", "\n"), [[], [], [], []]),
        (("... ", "🙂 ", "?!"), [[], [], [], []]),
    ],
)
def test_a_sentence_is_given_out_when_it_is_complete(
    pieces: tuple[str, ...], expected: list[list[str]]
) -> None:
    assert spoken(*pieces) == expected


def test_a_sentence_that_does_not_end_is_given_out_in_pieces() -> None:
    pending = Pending()
    given = [piece for _ in range(1_000) for piece in pending.add("word, ")]
    assert given
    assert max(map(len, given)) <= LONGEST_CHARS
    assert len(pending) <= LONGEST_CHARS
    assert " ".join([*given, *pending.flush()]) == ("word, " * 1_000).strip()


def test_a_try_gives_the_whole_words_if_there_are_enough() -> None:
    pending = Pending()
    assert pending.add("So it ") == pending.try_flush() == []
    assert pending.add("goes on and on without an end, as it is told to us, for ev") == []
    assert pending.try_flush() == ["So it goes on and on without an end, as it is told to us, for"]
    assert pending.flush() == ["ev"]


@given(st.lists(st.text(alphabet="ab .!?,\n\"'”’。1A", max_size=60)))
def test_nothing_is_lost_however_the_text_comes(pieces: list[str]) -> None:
    given = "".join(text for texts in spoken(*pieces) for text in texts)
    assert [char for char in given if char.isalnum()] == [char for char in "".join(pieces) if char.isalnum()]
