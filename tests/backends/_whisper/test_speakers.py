"""Which speaker says a word."""

from __future__ import annotations

import numpy as np
import pytest

from servers.backends._whisper.speakers import Diarizer, Speakers, Turn
from servers.speech import Segment, Word

TURNS = [Turn(0, 2, "A"), Turn(2, 5, "B"), Turn(4, 4.5, "C"), Turn(9, 10, "A")]


@pytest.mark.parametrize(
    ("start", "end", "speaker"),
    [
        (0.5, 1.0, "A"),
        (1.8, 2.5, "B"),  # most of it is B's
        (1.0, 2.5, "A"),
        (4.0, 4.5, "B"),  # both speak: the one whose name is first
        (5.2, 5.4, "B"),  # nobody speaks: the nearest
        (8.0, 8.9, "A"),
        (7.1, 7.1, "A"),  # a word without a length
        (3.0, 3.0, "B"),
        (100.0, 101.0, "A"),
        (0.0, 10.0, "A"),  # as long as B, in two turns
    ],
)
def test_a_word_is_of_the_one_who_says_most_of_it(start, end, speaker):
    assert Speakers(TURNS).speaker_at(start, end) == speaker


def test_without_a_turn_there_is_no_speaker():
    assert Speakers([]).speaker_at(0, 1) is None


def test_segments_and_words_each_have_their_own():
    words = (Word(word="so", start=1.5, end=1.9), Word(word="what", start=2.1, end=4.0))
    (labelled,) = Speakers(TURNS).labelled_segments(
        [Segment(start=1.5, end=4.0, text="so what", words=words)]
    )
    assert (labelled.speaker, [word.speaker for word in labelled.words]) == ("B", ["A", "B"])
    assert labelled.text == "so what"


class Pipeline:
    """Stands in for pyannote's; it answers with columns, as whisperx does with a data frame."""

    asked: tuple[int | None, int | None] | None = None

    def __call__(self, samples, min_speakers=None, max_speakers=None):
        self.asked = (min_speakers, max_speakers)
        return {"start": [0.0], "end": [np.float64(len(samples))], "speaker": ["SPEAKER_00"]}


def test_a_pipeline_is_loaded_once_when_it_is_needed():
    loads = []

    def load() -> Pipeline:
        loads.append(Pipeline())
        return loads[-1]

    diarizer = Diarizer(load)
    assert loads == []
    assert diarizer.turns(np.zeros(3, np.float32), 1, 2) == [Turn(0.0, 3.0, "SPEAKER_00")]
    diarizer.turns(np.zeros(3, np.float32), None, None)
    assert [pipeline.asked for pipeline in loads] == [(None, None)]
