"""The start in the table: it comes back as it was, and whoever is slower reads it again."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.changes import begun, failed, got
from appliance.machine import Instance
from appliance.starts import TRIES, Boot, Start, Starts, change
from appliance.table import BOOT, Changed
from tests.lambda_ import aws as fixtures

aws = fixtures.aws
NOW = 1_900_000_000.5


@pytest.fixture
def starts(aws):
    return Starts(aws.table())


def test_there_is_none_at_first(starts):
    assert starts.read() == Start()


def test_a_start_comes_back_as_it_was_written(starts):
    start = got(
        begun(Start(), "maria", "a demo", NOW), Instance("i-0a", "running", NOW, type="g5.xlarge"), NOW
    )
    start = failed(replace(start, refused_types=("g5.xlarge",)), "given_up", "it was not ready", NOW)
    written = starts.write(start)
    assert written == replace(start, version=1)
    read = starts.read()
    assert replace(read, entries=()) == replace(written, entries=())
    assert [entry["event"] for entry in read.entries] == ["start_asked", "start_failed"]


def test_of_two_who_read_the_same_one_writes(starts):
    starts.write(Start(why="first"))
    read = starts.read()
    starts.write(replace(read, why="second"))
    with pytest.raises(Changed):
        starts.write(replace(read, why="third"))
    with pytest.raises(Changed):
        starts.write(Start(why="new"))
    assert starts.read().why == "second"


def test_a_change_is_made_to_what_another_has_written(starts):
    starts.write(Start(why="first"))
    seen = []

    def changed(start):
        seen.append(start.why)
        if len(seen) == 1:
            starts.write(replace(start, why="meanwhile"))
        return replace(start, asked_by="maria")

    assert change(starts, changed).why == "meanwhile"
    assert (seen, starts.read().asked_by) == (["first", "meanwhile"], "maria")


def test_a_change_that_others_are_always_faster_than_ends(starts):
    def changed(start):
        starts.write(start)
        return replace(start, asked_by="maria")

    with pytest.raises(Changed, match=str(TRIES)):
        change(starts, changed)


def test_what_changes_nothing_writes_nothing(starts):
    assert change(starts, lambda start: start) == Start()
    assert starts.read().version == 0


# The machine's own word


def test_what_the_machine_says_of_this_start_counts(aws, starts):
    aws.table().put(
        {"kind": BOOT, "id": "i-0a", "boot_at": NOW + 1, "image_at": NOW + 2.5, "fault": "no image"}
    )
    assert starts.boot("i-0a", NOW, NOW + 10) == Boot(NOW + 1, NOW + 2.5, fault="no image")


@pytest.mark.parametrize("at", [NOW - 0.001, NOW + 10 + 61, "soon", None, True])
def test_what_it_says_of_another_time_does_not(aws, starts, at):
    aws.table().put({"kind": BOOT, "id": "i-0a", "boot_at": at, "fault": "no image"})
    assert starts.boot("i-0a", NOW, NOW + 10) == Boot()


def test_a_machine_that_says_nothing_yet_has_no_stages(starts):
    assert starts.boot("i-0a", NOW, NOW) == starts.boot("", NOW, NOW) == Boot()
