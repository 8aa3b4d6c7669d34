"""Streams at the tts door that are left and gone on with; `scripts/bench resumes` is the long campaign."""

from __future__ import annotations

from benchmarks.resumes import waged


def test_streams_that_are_left_resumed_and_talked_have_every_sample_and_leave_nothing():
    outcome = waged(streams=40, kills=1, seed=5)
    heard, remains = outcome.heard, outcome.remains
    assert (heard.lines(), remains.lines()) == ([], [])
    assert (remains.ledger.lost, remains.ledger.twice, remains.ledger.wrong) == ([], [], [])
    assert heard.killed.total() == 1
    assert heard.resumed > 0
    assert remains.cancelled > 0
    assert heard.samples > 100_000
