"""What a release does next, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("boto3", reason="boto3 is not installed")

from release.plan import Command, Limits, Release, Seen, Step, next_step, settled

NOW = 1_900_000_000.0
NEW = Release("repo@sha256:new", "green", "repo@sha256:old", weights=(10, 100), pause_s=60.0)
TOLD = replace(NEW, instance="i-0a", begun=("run the new place",), command="c1", commanded=Step.RUN_NEW)
RUNS = replace(TOLD, command="", new_runs_since=NOW - 100)
SPOKEN = replace(RUNS, smoked=True)
SHARES = replace(SPOKEN, begun=(*RUNS.begun, Step.SHIFT), weight=10, shifted_at=NOW - 30)
SERVES = replace(SHARES, weight=100, shifted_at=NOW - 90)
RECORDED = replace(SERVES, recorded=True)
IN_PLACE = replace(NEW, in_place=True, weights=(100,))
WELL = Seen("i-0a", new_healthy=True, old_healthy=True)
LOADS = replace(WELL, new_healthy=False)
NONE = Seen()


def step(release: Release, seen: Seen = WELL, now: float = NOW, limits: Limits | None = None) -> Step:
    told, why = next_step(release, seen, now, limits or Limits())
    assert why
    return told


CASES = {
    "it has ended": (replace(RECORDED, ended_at=NOW), WELL, Step.FINISH),
    "no machine": (NEW, NONE, Step.START_MACHINE),
    "it starts": (replace(NEW, machine_asked_at=NOW - 60), NONE, Step.WAIT),
    "there is no capacity": (replace(NEW, machine_asked_at=NOW - 1801), NONE, Step.FAIL),
    "its machine has gone": (RUNS, NONE, Step.FAIL),
    "its machine was replaced": (RUNS, replace(WELL, instance="i-0b"), Step.FAIL),
    "it was recorded, and its machine has gone": (RECORDED, NONE, Step.FINISH),
    "a machine": (NEW, LOADS, Step.RUN_NEW),
    "it is told": (TOLD, replace(LOADS, command=Command("running")), Step.WAIT),
    "it could not": (TOLD, replace(LOADS, command=Command("failed", "no such image")), Step.FAIL),
    "in place": (IN_PLACE, LOADS, Step.TO_RECEPTION),
    "in place, and nobody asks": (replace(IN_PLACE, emptied=True), LOADS, Step.END_OLD),
    "in place, and there is room": (replace(IN_PLACE, emptied=True, old_ended=True), LOADS, Step.RUN_NEW),
    "in place, and there was none": (replace(IN_PLACE, emptied=True, old_image=""), LOADS, Step.RUN_NEW),
    "it loads": (RUNS, LOADS, Step.WAIT),
    "it loads for too long": (replace(RUNS, new_runs_since=NOW - 901), LOADS, Step.FAIL),
    "it is healthy": (RUNS, WELL, Step.SMOKE),
    "it has spoken": (SPOKEN, WELL, Step.SHIFT),
    "it shares": (SHARES, WELL, Step.WAIT),
    "it has shared for the pause": (replace(SHARES, shifted_at=NOW - 60), WELL, Step.SHIFT),
    "it shares with one that is ill": (SHARES, replace(WELL, old_healthy=False), Step.SHIFT),
    "it falls ill": (SHARES, LOADS, Step.FAIL),
    "some errors": (SHARES, replace(WELL, error_rate=0.05), Step.WAIT),
    "more errors": (SHARES, replace(WELL, error_rate=0.051), Step.FAIL),
    "more errors at the end": (
        replace(SERVES, shifted_at=NOW - 30),
        replace(WELL, error_rate=1.0),
        Step.FAIL,
    ),
    "it has all": (replace(SERVES, shifted_at=NOW - 30), WELL, Step.WAIT),
    "it has had all for the pause": (SERVES, WELL, Step.RECORD),
    "it is recorded": (RECORDED, WELL, Step.END_OLD),
    "the old one has ended": (replace(RECORDED, old_ended=True), WELL, Step.FINISH),
    "there was no old one": (replace(RECORDED, old_image=""), WELL, Step.FINISH),
    "the old one works on": (
        replace(RECORDED, command="c2", commanded=Step.END_OLD),
        replace(WELL, command=Command("failed", "blue still works on its queue")),
        Step.FINISH,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_next_step(case):
    release, seen, expected = CASES[case]
    assert step(release, seen) == expected


MADE_ROOM = replace(
    IN_PLACE, instance="i-0a", begun=(Step.TO_RECEPTION, Step.END_OLD), emptied=True, fault="x"
)
UNDONE = {
    "nothing was begun": (replace(NEW, fault="x"), WELL, Step.FINISH),
    "it runs": (replace(RUNS, fault="x"), WELL, Step.END_NEW),
    "it may run": (replace(RUNS, new_runs_since=0.0, fault="x"), LOADS, Step.END_NEW),
    "it is just told": (replace(TOLD, fault="x"), replace(LOADS, command=Command("running")), Step.WAIT),
    "it has clients": (replace(SHARES, fault="x"), WELL, Step.LEAD_BACK),
    "it may have clients": (replace(SHARES, weight=0, fault="x"), WELL, Step.LEAD_BACK),
    "it has none any more": (replace(SHARES, fault="x", undone=(Step.LEAD_BACK,)), WELL, Step.END_NEW),
    "it has clients, and its machine has gone": (replace(SHARES, fault="x"), NONE, Step.LEAD_BACK),
    "its machine has gone": (replace(SHARES, fault="x", undone=(Step.LEAD_BACK,)), NONE, Step.FINISH),
    "the old one made room": (MADE_ROOM, LOADS, Step.RUN_OLD),
    "the old one made room, and clients came": (
        replace(MADE_ROOM, begun=(*MADE_ROOM.begun, Step.RUN_NEW, Step.SHIFT), weight=100),
        WELL,
        Step.TO_RECEPTION,
    ),
    "the old one loads": (
        replace(MADE_ROOM, old_runs_since=NOW - 9),
        replace(LOADS, old_healthy=False),
        Step.WAIT,
    ),
    "the old one is back": (replace(MADE_ROOM, old_runs_since=NOW - 9), LOADS, Step.LEAD_BACK),
    "the old one does not come back": (
        replace(MADE_ROOM, old_runs_since=NOW - 901),
        replace(LOADS, old_healthy=False),
        Step.FINISH,
    ),
    "the old one is led to": (
        replace(MADE_ROOM, old_runs_since=NOW - 9, undone=(Step.LEAD_BACK,)),
        LOADS,
        Step.FINISH,
    ),
}


@pytest.mark.parametrize("case", UNDONE)
def test_the_next_step_of_one_that_is_undone(case):
    release, seen, expected = UNDONE[case]
    assert step(release, seen) == expected


def test_what_the_machine_has_done_is_noted_once():
    done = settled(TOLD, Command("done"), NOW)
    assert (done.command, done.new_runs_since) == ("", NOW)
    assert settled(done, Command("done"), NOW + 9) == done
    assert settled(TOLD, Command("running"), NOW) == TOLD


def test_what_it_could_not_do_fails_the_release_and_does_not_keep_it_from_being_undone():
    assert settled(TOLD, Command("failed"), NOW) == TOLD
    ends = replace(RUNS, fault="x", command="c2", commanded=Step.END_NEW)
    assert Step.END_NEW in settled(ends, Command("failed"), NOW).undone


def test_the_old_one_that_does_not_come_back_is_said():
    _, why = next_step(replace(MADE_ROOM, old_runs_since=NOW - 901), replace(LOADS, old_healthy=False), NOW)
    assert why == "x; blue is not ready either, and the reception takes requests"
