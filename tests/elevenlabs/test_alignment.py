from __future__ import annotations

from servers.elevenlabs.alignment import Alignment, Characters
from servers.speech import Word

SO, IT, IS = (
    Word(word="So", start=0.1, end=0.3),
    Word(word="it", start=0.4, end=0.6),
    Word(word="is", start=0.6, end=1.0),
)


def test_a_words_time_is_shared_by_its_characters_and_a_pause_is_between() -> None:
    characters = Characters("So it is.")
    assert characters.through([SO, IT]) == Alignment("So it", 0, (150, 300, 400, 500, 600))
    assert characters.through([]) is None
    assert characters.rest([SO, IT, IS], 1.5) == Alignment(" is. ", 600, (600, 800, 1000, 1250, 1500))


def test_a_message_has_its_own_times_or_those_of_all_audio() -> None:
    second = Alignment(" is", 600, (600, 800, 1000))
    assert second.of_message(None) == {
        "chars": [" ", "i", "s"],
        "charStartTimesMs": [0, 0, 200],
        "charDurationsMs": [0, 200, 200],
    }
    assert second.of_message(5_000)["charStartTimesMs"] == [5_600, 5_600, 5_800]


def test_of_characters_those_are_left_that_end_later() -> None:
    told = Alignment("it is", 400, (500, 600, 600, 800, 1000))
    assert told.after(100) == told
    assert told.after(600) == Alignment("is", 600, (800, 1000))
    assert told.after(999) == Alignment("s", 800, (1000,))
    assert told.after(1000) is None


def test_an_utterance_has_seconds() -> None:
    assert Alignment("it", 400, (500, 600)).of_utterance() == {
        "characters": ["i", "t"],
        "character_start_times_seconds": [0.4, 0.5],
        "character_end_times_seconds": [0.5, 0.6],
    }


def test_a_text_without_timed_words_has_no_times() -> None:
    assert Characters("So it is.").rest([], 1.5) is None


def test_words_that_are_known_at_the_end_only_are_told_then() -> None:
    told = Characters("So it is.").rest([SO, IT, IS], 1.5)
    assert told is not None
    assert (told.chars, told.start_ms, told.end_ms) == ("So it is. ", 0, 1500)


def test_a_word_that_the_text_does_not_have_is_a_part_of_what_is_between() -> None:
    characters = Characters("So 2 is")
    told = characters.through([SO, Word(word="two", start=0.4, end=0.6), IS])
    assert told is not None
    assert told.chars == "So 2 is"
    assert told.ends_ms[2:5] == (400, 500, 600)


def test_times_never_go_back() -> None:
    crossed = [Word(word="So", start=0.5, end=0.9), Word(word="it", start=0.2, end=0.4)]
    told = Characters("So it").through(crossed)
    assert told is not None
    assert list(told.ends_ms) == sorted(told.ends_ms)
