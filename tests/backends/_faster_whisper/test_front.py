"""Stretches of speech that make one chunk."""

from __future__ import annotations

from servers.backends._faster_whisper.front import merged


def test_stretches_are_one_as_long_as_they_fit_together():
    assert merged([(0.0, 4.0), (5.0, 9.0), (11.0, 14.0)], 10.0) == [(0.0, 9.0), (11.0, 14.0)]
    assert merged([], 10.0) == []
