"""Streams at the tts door that are left and gone on with; `scripts/bench resumes` is the long campaign."""

from __future__ import annotations

import pytest

from benchmarks.heard import Heard
from benchmarks.reading import Text
from benchmarks.resumes import waged


def test_streams_that_are_left_resumed_and_talked_have_every_sample_and_leave_nothing():
    outcome = waged(streams=24, kills=1, seed=5)
    heard, remains = outcome.heard, outcome.remains
    assert (heard.lines(), remains.lines()) == ([], [])
    assert (remains.ledger.lost, remains.ledger.twice, remains.ledger.wrong) == ([], [], [])
    assert heard.killed.total() == 1
    assert heard.resumed > 0
    assert remains.cancelled > 0
    assert heard.samples > 100_000


@pytest.mark.parametrize("format", ["wav", "pcm"])
def test_a_sample_that_is_foreign_or_out_of_place_or_missing_would_be_noticed(format):
    whole, heard = Text(7, 2).pcm(format), Heard()
    heard.check("right", whole, 100, whole[200:], True)
    heard.check("begun", whole, 100, whole[200:300], False)
    assert heard.lines() == []
    heard.check("foreign", whole, 0, Text(8, 2).pcm(format), True)
    heard.check("out of place", whole, 100, whole[204:304], False)
    heard.check("too long", whole, 0, whole + b"\0\0", True)
    heard.check("cut", whole, 100, whole[200:-2], True)
    assert [line.split(" from")[0] for line in heard.lines()] == [
        "foreign",
        "out of place",
        "too long",
        "cut",
    ]


def test_what_breaks_off_is_forgiven_only_where_something_was_killed():
    heard = Heard()
    heard.note_lost("reset", "number 1")
    assert heard.faults == ["number 1: reset, though nothing was killed"]
    heard.note_killed("tts")
    heard.note_lost("reset", "number 2")
    assert len(heard.faults) == 1


def test_a_request_with_two_jobs_would_be_noticed():
    heard = Heard()
    for job_id in ("a", "a", "b"):
        heard.note_job("key", job_id)
    assert len(heard.faults) == 1
