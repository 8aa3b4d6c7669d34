"""Lengths of time and moments, as people write and read them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.cli.durations import clock, seconds_of, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("2h", 7200),
        ("1d", 86_400),
        ("1h30m", 5400),
        ("1d2h3m4s", 93_784),
        ("0.5h", 1800),
        (" 1h 30m ", 5400),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_what_is_a_duration(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (143, "2 min 23 s"),
        (3599.6, "1 h"),
        (3629, "1 h"),
        (3631, "1 h 1 min"),
        (86_390, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_how_a_duration_is_said(seconds, said):
    assert spoken(seconds) == said


@given(st.integers(0, 10**7))
def test_what_is_said_is_at_most_an_hour_away_and_within_a_minute_below_a_day(seconds):
    said = spoken(seconds).replace("min", "m").replace(" ", "")
    away = abs(seconds_of(said) - seconds)
    assert away <= (0 if seconds < 3570 else 30 if seconds < 86_370 else 3600)


def test_a_moment_has_its_date_where_that_is_not_today():
    now = time.mktime((2026, 11, 30, 12, 0, 0, 0, 0, -1))
    assert clock(now + 3600, now) == "13:00"
    assert clock(now + 86_400, now) == "2026-12-01 12:00"
