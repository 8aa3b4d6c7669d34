"""Holds as people, start-gpu and the machine write them."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.holds import Hold, Holds, latest, parameter_of, parse
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import HOLDS

aws = fixtures.aws
NAME = "/skylark/speech/holds/maria"


def test_a_hold_has_an_end_and_a_holder():
    assert parse(NAME, '{"until": 1900000000, "by": "Maria", "why": "a demo"}') == Hold(
        1900000000.0, "Maria", why="a demo"
    )


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


# Written and taken away


@pytest.fixture
def holds(aws):
    return Holds(aws.client("ssm"), HOLDS)


def test_what_is_written_is_read_again(holds):
    holds.write(Hold(1_900_000_000.5, "maria", why="a demo"))
    assert holds.all() == [Hold(1_900_000_000.5, "maria", why="a demo")]


def test_a_holder_has_one_hold_and_the_others_keep_theirs(holds):
    for until, by in ((100.0, "maria"), (200.0, "anna"), (300.0, "maria")):
        holds.write(Hold(until, by))
    assert {(hold.by, hold.until) for hold in holds.all()} == {("maria", 300.0), ("anna", 200.0)}


def test_a_hold_can_be_taken_away_twice(holds):
    holds.write(Hold(100.0, "maria"))
    holds.remove("maria")
    holds.remove("maria")
    assert holds.all() == []


@pytest.mark.parametrize("by", ["Zoë Müller", "a/b", "../keys", "", "x" * 300])
def test_any_holder_has_a_parameter_of_its_own(holds, by):
    holds.write(Hold(100.0, by))
    holds.write(Hold(200.0, "a_b"))
    assert sorted(hold.until for hold in holds.all()) == [100.0, 200.0]
    assert "/" not in parameter_of(by)
    holds.remove(by)
    assert [hold.by for hold in holds.all()] == ["a_b"]
