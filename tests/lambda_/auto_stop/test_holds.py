"""Holds as people, start-gpu and the machine write them."""

from __future__ import annotations

import pytest

from auto_stop.decision import Hold
from auto_stop.holds import latest, parse

NAME = "/skylark/speech/holds/maria"


def test_a_hold_has_an_end_and_a_holder():
    assert parse(NAME, '{"until": 1900000000, "by": "Maria", "why": "a demo"}') == Hold(1900000000.0, "Maria")


def test_who_does_not_say_is_named_by_the_parameter():
    assert parse(NAME, '{"until": 1900000000}').by == "maria"


@pytest.mark.parametrize(
    "date", ["2030-03-17T17:46:40Z", "2030-03-17T18:46:40+01:00", "2030-03-17 17:46:40+00:00"]
)
def test_an_end_can_be_a_date(date):
    assert parse(NAME, f'{{"until": "{date}"}}').until == 1_900_000_000


@pytest.mark.parametrize(
    "value",
    [
        "",
        "two hours",
        "1900000000",
        "[]",
        "{}",
        '{"until": null}',
        '{"until": true}',
        '{"until": "tomorrow"}',
        '{"until": "2030-03-17T17:46:40"}',
        '{"until": NaN}',
        '{"until": Infinity}',
        '{"until": 1' + "0" * 400 + "}",
    ],
)
def test_what_cannot_be_read_is_a_fault_that_names_the_parameter(value):
    assert NAME in parse(NAME, value).fault


def test_nobody_holds_it():
    assert latest([], 100.0) is None


def test_the_one_that_ends_last_counts_so_that_nobody_shortens_anothers():
    assert latest([Hold(300, "a"), Hold(500, "b"), Hold(400, "c")], 100.0) == Hold(500, "b")


def test_one_that_cannot_be_read_counts_more_than_one_that_has_ended():
    broken = Hold(fault="broken")
    assert latest([broken, Hold(50)], 100.0) == broken


def test_one_that_cannot_be_read_is_no_alarm_while_another_holds():
    assert latest([Hold(fault="broken"), Hold(500, "b")], 100.0) == Hold(500, "b")
