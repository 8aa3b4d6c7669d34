"""The pure parts of Listen and Align in a browser: times after an edit, marks, what is kept of recordings."""

from __future__ import annotations

import pytest

WORDS = [
    {"word": word, "start": float(n), "end": n + 0.5, "score": 0.9, "interpolated": False, "speaker": "A"}
    for n, word in enumerate(["one", "two", "three", "four"])
]
SEGMENT = {"start": 0.0, "end": 4.0, "speaker": "A"}


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("one two three four", [(0, 0.5), (1, 1.5), (2, 2.5), (3, 3.5)]),
        ("one TWO three four", [(0, 0.5), (1, 1.5), (2, 2.5), (3, 3.5)]),
        ("one three four", [(0, 0.5), (2, 2.5), (3, 3.5)]),
        ("one ab cd three four", [(0, 0.5), (1, 1.25), (1.25, 1.5), (2, 2.5), (3, 3.5)]),
        ("one two new three four", [(0, 0.5), (1, 1.5), (1.5, 2), (2, 2.5), (3, 3.5)]),
        ("zero one two three four", [(0, 0), (0, 0.5), (1, 1.5), (2, 2.5), (3, 3.5)]),
        ("one two three four five", [(0, 0.5), (1, 1.5), (2, 2.5), (3, 3.5), (3.5, 4)]),
        ("alpha beta", [(0, 1.9444), (1.9444, 3.5)]),
        ("", []),
        ("   ", []),
    ],
)
def test_words_that_stay_keep_their_times_and_new_ones_share_the_rest(module, text, times):
    retimed = module("retime", "retimed", WORDS, text, SEGMENT)
    assert [word["word"] for word in retimed] == text.split()
    assert [(word["start"], word["end"]) for word in retimed] == [
        pytest.approx(each, abs=1e-3) for each in times
    ]
    assert all(word["speaker"] == "A" for word in retimed)


def test_a_word_that_was_written_has_no_score_and_one_that_stayed_has_its_own(module):
    retimed = module("retime", "retimed", WORDS, "one zwei three four", SEGMENT)
    assert [word["score"] for word in retimed] == [0.9, None, 0.9, 0.9]


def test_a_sentence_of_thousands_of_words_is_retimed_in_order(module):
    words = [{**WORDS[0], "word": f"w{n}", "start": n * 0.1, "end": n * 0.1 + 0.1} for n in range(5_000)]
    text = " ".join(f"x{n}" if n % 3 else f"w{n}" for n in range(5_100))
    retimed = module("retime", "retimed", words, text, {"start": 0, "end": 500, "speaker": None})
    assert len(retimed) == 5_100
    starts = [word["start"] for word in retimed]
    assert starts == sorted(starts)


def entry(name: str, megabytes: int, at_ms: int) -> dict:
    return {"id": name, "bytes": megabytes * 1_000_000, "atMs": at_ms}


@pytest.mark.parametrize(
    ("entries", "forgotten"),
    [
        ([entry("a", 1, 1), entry("b", 1, 2)], []),
        ([entry("a", 120, 1), entry("b", 90, 2)], ["a"]),
        ([entry("new", 150, 3), entry("a", 10, 1), entry("b", 60, 2)], ["a", "b"]),
        ([entry(f"{n:02}", 1, n) for n in range(14)], ["00", "01"]),
        ([entry("new", 199, 0), entry("later", 50, 9)], ["later"]),
    ],
)
def test_the_oldest_recordings_are_forgotten_where_there_are_too_many(module, entries, forgotten):
    newest = "new" if any(each["id"] == "new" for each in entries) else entries[-1]["id"]
    assert sorted(each["id"] for each in module("recordings", "tooMany", entries, newest)) == forgotten


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.9, "0:07"), (61, "1:01"), (3600, "1:00:00"), (3725, "1:02:05")]
)
def test_a_time_is_shown_as_on_a_player(module, seconds, shown):
    assert module("scores", "clock", seconds) == shown


@pytest.mark.parametrize(
    ("word", "task", "mark"),
    [
        ({"word": "sure", "score": 0.9, "interpolated": False}, "transcribe", None),
        ({"word": "so", "score": 0.5, "interpolated": False}, "transcribe", "score-mid"),
        ({"word": "never", "score": 0.1, "interpolated": False}, "transcribe", "score-low"),
        ({"word": "never", "score": 0.1, "interpolated": False}, "align", "unfit"),
        ({"word": "the,", "score": 0.1, "interpolated": False}, "align", "score-mid"),
        ({"word": "1984", "score": 0.1, "interpolated": False}, "align", "unfit"),
        ({"word": "2014", "score": None, "interpolated": True}, "align", "guessed"),
        ({"word": "—", "score": None, "interpolated": True}, "align", None),
        ({"word": "unscored", "score": None, "interpolated": False}, "transcribe", None),
    ],
)
def test_the_mark_of_a_word_says_how_it_was_heard(module, word, task, mark):
    assert module("scores", "mark", word, task) == mark
