"""The times of a text's words from the lengths of its phonemes: each letter of a word is one here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from servers.backends._piper.word_times import WordTimes, phoneme_places
from servers.speech import Word
from servers.text.normalize import spoken_words

RATE, EACH = 1_000, 10
"""Every id lasts so many samples."""
IDS = {phoneme: [number] for number, phoneme in enumerate("_^$ .,abcdefghijklmnopqrstuvwxyz")}


@dataclass(frozen=True)
class Sentence:
    """What piper gives for one."""

    phonemes: Sequence[str]
    phoneme_ids: Sequence[int]
    phoneme_id_samples: np.ndarray | None
    audio_float_array: np.ndarray
    sample_rate: int = RATE


def phonemize(text: str) -> list[list[str]]:
    """A sentence ends at a full stop; a dash is not said."""
    sentences = [f"{part.strip()}." for part in text.lower().split(".") if part.strip()]
    return [[char for char in sentence if char in IDS] for sentence in sentences]


def spoken(phonemes: Sequence[str]) -> Sentence:
    ids = 3 + 2 * len(phonemes)
    return Sentence(phonemes, [0] * ids, np.full(ids, EACH), np.zeros(ids * EACH, np.float32))


def speak(text: str, *pieces: str) -> tuple[list[tuple[Word, ...]], tuple[Word, ...], float]:
    """The words that come with each sentence, those of the end, and how long it all is."""
    times, given, end, duration_s = WordTimes(spoken_words(text), phonemize, IDS), [], 0, 0.0
    for piece in pieces or (text,):
        start = text.index(piece, end)
        end = start + len(piece)
        times.begin((start, end), spoken_words(piece), piece)
        for phonemes in phonemize(piece):
            sentence = spoken(phonemes)
            given.append(times.heard(sentence, len(sentence.audio_float_array) / RATE))
            duration_s += len(sentence.audio_float_array) / RATE
    return given, times.rest(), duration_s


def said(words: Sequence[Word]) -> list[str]:
    return [word.word for word in words]


def test_a_blank_is_of_the_phoneme_after_it_except_in_a_pause():
    samples = [1, 2, 30, 4, 50, 6, 70, 8, 90, 10, 11]  # ^_ a_ ,_ space_ b_ $
    assert phoneme_places(["a", ",", " ", "b"], samples, IDS) == [1, 37, 87, 163, 271]


def test_a_phoneme_without_an_id_lasts_no_time():
    samples = [1, 2, 30, 4, 50, 6, 7]  # ^_ a_ b_ $
    assert phoneme_places(["a", "ʘ", "b"], samples, IDS) == [1, 33, 33, 93]


def test_a_word_begins_where_the_one_before_ends_and_after_a_pause_by_itself():
    ((one, two, three),), rest, duration_s = speak("ab cd, ef")
    assert (one.start, one.end) == (0.01, 0.05)
    assert (two.start, two.end) == (0.05, 0.12), "with the blank before the pause"
    assert (three.start, three.end) == (0.15, 0.20)
    assert rest == ()
    assert three.end < duration_s


def test_words_are_known_with_their_sentence_and_in_the_time_of_the_whole():
    given, rest, _ = speak("Ab cd. Ef gh. Ij.")
    assert [said(words) for words in given] == [["Ab", "cd."], ["Ef", "gh."], ["Ij."]]
    first_s = len(spoken(phonemize("Ab cd.")[0]).audio_float_array) / RATE
    assert given[1][0].start == pytest.approx(first_s + given[0][0].start)
    assert rest == ()


def test_a_word_without_sound_is_between_its_neighbours_and_known_with_the_one_before():
    given, rest, duration_s = speak("— Ab — cd. — … Ef —")
    assert [said(words) for words in given] == [["—", "Ab", "—", "cd.", "—", "…"], ["Ef", "—"]]
    words = [*given[0], *given[1]]
    assert [word.interpolated for word in words] == [1, 0, 1, 0, 1, 1, 0, 1]
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert words[-1].end <= duration_s
    assert rest == ()


def test_words_without_sound_on_both_sides_of_a_border_stay_in_order():
    given, _, _ = speak("ab. … — cd.", "ab. …", "— cd.")
    words = [word for some in given for word in some]
    assert said(words) == ["ab.", "…", "—", "cd."]
    assert all(one.end <= other.start for one, other in pairwise(words))


def test_a_word_that_is_cut_in_two_is_known_once_with_its_second_part():
    given, rest, _ = speak("ab cdefgh ij", "ab cde", "fgh ij")
    assert [said(words) for words in given] == [["ab"], ["cdefgh", "ij"]]
    first_s = len(spoken(phonemize("ab cde")[0]).audio_float_array) / RATE
    assert given[1][0].start < first_s < given[1][0].end
    assert rest == ()


def test_a_word_in_which_a_sentence_ends_is_known_with_the_next_one():
    given, rest, _ = speak("ab c.d ef")
    assert [said(words) for words in given] == [["ab"], ["c.d", "ef"]]
    assert rest == ()


def test_words_of_which_there_is_no_audio_come_at_the_end():
    given, rest, duration_s = speak("ab. — —", "ab.")
    assert [said(words) for words in given] == [["ab."]]
    assert said(rest) == ["—", "—"]
    assert all(word.interpolated and word.end <= duration_s for word in rest)


@pytest.mark.parametrize("samples", [None, np.full(9, 9), np.full(8, EACH)], ids=["none", "sum", "count"])
def test_a_model_that_does_not_tell_its_durations_leaves_the_text_without_words(samples):
    sentence = replace(spoken(["a", "b", "."]), phoneme_id_samples=samples)
    times = WordTimes(spoken_words("ab. ab."), phonemize, IDS)
    times.begin((0, 7), spoken_words("ab. ab."), "ab. ab.")
    assert times.heard(sentence, 0.09) == ()
    assert times.heard(spoken(["a", "b", "."]), 0.09) == (), "nor is it believed from then on"
    assert times.rest() == ()
