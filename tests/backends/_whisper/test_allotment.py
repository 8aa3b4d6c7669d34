"""Which words of a text are said in which stretch."""

from __future__ import annotations

from servers.backends._whisper.allotment import allotted


def words(text: str) -> list[str]:
    return text.split()


def test_what_was_heard_cuts_the_text():
    text = words("one two three four five six seven eight")
    assert allotted(text, [words("one two three"), words("four five"), words("six seven eight")]) == [
        range(3),
        range(3, 5),
        range(5, 8),
    ]


def test_words_that_were_heard_wrong_lie_between_those_that_were_not():
    text = words("one two three four five six seven eight")
    assert allotted(text, [words("one too free four"), words("fife six seven ate")]) == [
        range(4),
        range(4, 8),
    ]


def test_a_stretch_in_which_nothing_of_the_text_is_said_has_none_of_it():
    text = words("one two three four")
    heard = [words("one two"), [], words("three four")]
    assert allotted(text, heard) == [range(2), range(2, 2), range(2, 4)]


def test_a_text_of_which_nothing_was_heard_is_shared_by_how_much_was_said():
    assert allotted(list("abcdefgh"), [list("tuv"), list("w")]) == [range(6), range(6, 8)]


def test_all_of_the_text_is_given_out_whatever_was_heard():
    text = words("one two three four")
    for heard in ([[]], [[], []], [words("four three two one"), words("one")], [words("nine")] * 5):
        ranges = allotted(text, heard)
        assert len(ranges) == len(heard)
        assert [place for each in ranges for place in each] == list(range(4))
