"""Cutting a recording at its pauses."""

from hypothesis import given
from hypothesis import strategies as st

from servers.audio.pauses import Stretch, stretches


def cut(picture, pause=2, shortest=3, longest=10):
    return stretches([mark == "#" for mark in picture], pause, shortest, longest)


def test_a_recording_is_cut_in_the_middle_of_a_pause():
    assert cut("####....####") == [Stretch(0, 6, True), Stretch(6, 12, True)]


def test_a_short_pause_cuts_nothing():
    assert cut("####.####") == [Stretch(0, 9, True)]


def test_a_stretch_is_not_cut_shorter_than_the_shortest():
    assert cut("#..#..####", shortest=4) == [Stretch(0, 5, True), Stretch(5, 10, True)]


def test_speech_without_a_pause_is_cut_at_its_last_gap_that_fits():
    assert cut("#" * 7 + "." + "#" * 7) == [Stretch(0, 7, True), Stretch(7, 15, True)]


def test_speech_without_any_gap_is_cut_at_the_longest():
    assert [stretch.end - stretch.start for stretch in cut("#" * 25)] == [10, 10, 5]


def test_silence_has_no_speech():
    assert not any(stretch.has_speech for stretch in cut("." * 30))


def test_no_frames_are_no_stretches():
    assert cut("") == []


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 8), st.integers(1, 9))
def test_stretches_cover_everything_once_and_none_is_too_long(speech, pause, shortest):
    found = stretches(speech, pause, shortest, longest=20)
    assert [frame for stretch in found for frame in range(stretch.start, stretch.end)] == list(
        range(len(speech))
    )
    assert all(stretch.end - stretch.start <= 20 for stretch in found)
    assert all(stretch.has_speech == any(speech[stretch.start : stretch.end]) for stretch in found)
