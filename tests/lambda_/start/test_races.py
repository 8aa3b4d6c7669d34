"""Starts and stops at once, and functions that end half way: what is wanted is there in the end."""

from __future__ import annotations

from contextlib import suppress

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.routes import Lead
from appliance.starts import STAGES
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import OWNER
from tests.lambda_.start.running import (
    START,
    TimedOut,
    an_empty_group,
    an_instance_that_is_off,
    ends_at_change,
)

aws = fixtures.aws
STOP = "ec2.StopInstances"
CHANGES = 15
"""No call of a function makes more."""


@pytest.fixture
def off(aws):
    return an_instance_that_is_off(aws)


@pytest.fixture
def idle(off):
    """Ready, and without work for half an hour."""
    off.becomes_ready()
    off.cloud.now += 3600
    off.cloud.be_idle()
    return off


def converges(starting, to="ready", within=12):
    """By nothing but ticks, and a machine that boots when it is started."""
    for _ in range(within):
        told = starting.tick(60)
        if starting.cloud.state() == "running":
            starting.boots(**{f"{stage}_at": starting.cloud.now for stage in STAGES[1:]})
        if told["state"] == to:
            return
    raise AssertionError(f"it is {told['state']}, and never became {to}")


def test_auto_stop_stops_an_idle_machine_and_tells_the_ledger(idle):
    answer = idle.cloud.run()
    assert (answer["did"], idle.cloud.state()) == ("stop", "stopped")
    assert (idle.record().state, idle.leads()) == ("off", {Lead.RECEPTION})
    assert idle.events() == ["start_asked", "start_ready", "stopped"]
    assert idle.tick()["did"] == []


def test_a_start_before_the_stop_is_written_keeps_the_machine(idle):
    def start(_):
        idle.cloud.before("dynamodb.PutItem", lambda _: None)
        idle.invoke(do="start", by="anna", why="a talk", hold_s=600)

    idle.cloud.before("dynamodb.PutItem", start)
    answer = idle.cloud.run()
    assert (answer["did"], idle.cloud.state()) == ("nothing", "running")
    assert "a start was asked for" in answer["but"]
    assert STOP not in idle.cloud.called
    assert idle.record().state == "ready"
    assert idle.leads() == {Lead.MACHINE}


def test_a_start_while_the_rules_are_led_away_keeps_the_machine_by_its_hold(idle):
    def start(count):
        if count == 5:
            idle.cloud.before("elbv2.ModifyRule", lambda _: None)
            idle.invoke(do="start", by="anna", why="a talk", hold_s=600)

    idle.cloud.before("elbv2.ModifyRule", start)
    answer = idle.cloud.run()
    assert (answer["did"], idle.cloud.state()) == ("nothing", "running")
    assert "anna holds it" in answer["but"]
    converges(idle)
    assert idle.leads() == {Lead.MACHINE}
    assert idle.record().asked_by == "anna"


def test_a_start_at_the_moment_of_the_stop_starts_the_machine_again(idle):
    def start(_):
        idle.cloud.before(STOP, lambda _: None)
        told = idle.invoke(do="start", by="anna", why="a talk", hold_s=600)
        assert told["state"] == "starting"

    idle.cloud.before(STOP, start)
    assert idle.cloud.run()["did"] == "stop"
    assert idle.cloud.state() == "stopped"
    assert idle.record().state == "starting"
    converges(idle)
    assert idle.cloud.state() == "running"
    assert idle.leads() == {Lead.MACHINE}
    events = idle.events()
    assert events == ["start_asked", "start_ready", "stopped", "start_asked", "start_ready"]


def test_a_start_while_it_stops_begins_once_it_has_stopped(idle):
    idle.cloud.run()
    told = idle.invoke(do="start", by="anna", why="a talk")
    assert told["state"] == "starting"
    converges(idle)
    assert idle.record().asked_by == "anna"


def test_two_starts_and_a_stop_at_once(idle):
    def starts(_):
        idle.cloud.before(STOP, lambda _: None)
        for by in ("anna", "ben"):
            idle.invoke(do="start", by=by, why="a talk", hold_s=600)

    idle.cloud.before(STOP, starts)
    idle.cloud.run()
    converges(idle)
    assert idle.record().asked_by == "anna"
    assert idle.events().count("start_ready") == 2


def test_auto_stop_does_not_stop_what_starts(off):
    off.invoke(do="start", by=OWNER, why="", hold_s=0)
    off.tick(10)
    off.cloud.now += 3600
    off.answers = False
    off.cloud.be_idle()
    answer = off.cloud.run()
    assert (answer["reason"], answer["did"]) == ("starting", "nothing")
    assert OWNER in answer["why"]


def test_auto_stop_does_not_stop_what_work_waits_for(idle):
    idle.accept_work("a")
    assert idle.cloud.run()["reason"] == "waiting"


def test_work_that_the_machine_has_taken_and_lost_waits_again(idle):
    work = {"kind": "waiting", "id": "a", "status": "taken", "accepted_at": idle.cloud.now - 60}
    idle.cloud.table().put(work | {"lease_until": idle.cloud.now + 60})
    assert "1 in hand" in idle.cloud.run()["why"]
    idle.cloud.table().put(work | {"lease_until": idle.cloud.now - 1})
    assert "1 pieces of accepted work wait" in idle.cloud.run()["why"]


def test_work_that_the_machine_never_takes_is_told_to_a_person(idle):
    idle.accept_work("a", at=idle.cloud.now - 9000)
    answer = idle.cloud.run()
    assert (answer["action"], answer["reason"], answer["did"]) == ("alarm", "waiting", "notice")
    assert "intake" in idle.cloud.notices()[0]["why"]


def test_a_stop_that_aws_refuses_leads_the_rules_back(idle):
    idle.cloud.refuse(STOP, "RequestLimitExceeded")
    assert idle.cloud.run()["did"] == "nothing"
    assert idle.leads() == {Lead.MACHINE}
    assert idle.record().state == "ready"


def test_a_machine_that_is_stopped_by_hand_is_off_for_everybody(idle):
    idle.cloud.outside("ec2").stop_instances(InstanceIds=[idle.id()])
    idle.tick(60)
    assert (idle.record().state, idle.leads()) == ("off", {Lead.RECEPTION})
    assert idle.ledger()[-1]["by"] == "somebody"


@pytest.mark.parametrize("nth", range(1, CHANGES + 1))
def test_a_start_that_times_out_anywhere_is_gone_on_with(off, nth):
    with ends_at_change(off.cloud, nth) as has_ended, suppress(TimedOut):
        off.invoke(do="start", by=OWNER, why="a demonstration")
        assert nth < CHANGES or not has_ended()
    again = off.invoke(do="start", by=OWNER, why="a demonstration")
    assert again["state"] == "starting"
    converges(off)
    assert off.leads() == {Lead.MACHINE}
    assert off.events() == ["start_asked", "start_ready"]


@pytest.mark.parametrize("nth", range(1, CHANGES + 1))
def test_the_last_step_to_ready_that_times_out_anywhere_is_gone_on_with(off, nth):
    off.invoke(do="start", by=OWNER, why="a demonstration")
    off.boots_whole()
    with ends_at_change(off.cloud, nth), suppress(TimedOut):
        off.tick()
    converges(off)
    off.tick(60)
    assert off.leads() == {Lead.MACHINE}
    assert off.events() == ["start_asked", "start_ready"]


@pytest.mark.parametrize("nth", range(1, CHANGES + 1))
def test_a_stop_that_times_out_anywhere_is_gone_on_with(idle, nth):
    with ends_at_change(idle.cloud, nth), suppress(TimedOut):
        idle.cloud.run()
    for _ in range(3):
        idle.tick(20)
        idle.cloud.be_idle()
        idle.cloud.run()
    idle.tick(60)
    assert idle.cloud.state() == "stopped"
    assert (idle.record().state, idle.leads()) == ("off", {Lead.RECEPTION})
    assert idle.events() == ["start_asked", "start_ready", "stopped"]


def test_a_stop_that_never_reached_the_machine_is_forgotten_where_work_comes(idle):
    def end(_):
        raise TimedOut

    idle.cloud.before(STOP, end)
    with pytest.raises(TimedOut):
        idle.cloud.run()
    assert (idle.record().state, idle.leads()) == ("stopping", {Lead.RECEPTION})
    for _ in range(6):
        idle.cloud.publish("ActiveRequests", 1, idle.cloud.now)
        assert idle.cloud.run()["reason"] == "busy"
        idle.tick(60)
    assert (idle.record().state, idle.leads()) == ("ready", {Lead.MACHINE})


def test_a_function_with_little_time_left_begins_nothing(off):
    off.cloud.left_ms = 3000
    told = off.invoke(do="start", by=OWNER, why="")
    assert (told["state"], START in off.cloud.called) == ("starting", False)
    off.cloud.left_ms = 30_000
    off.tick(60)
    assert off.cloud.state() == "running"


def test_a_fleets_machine_that_was_terminated_by_hand_is_started_anew(aws):
    fleet = an_empty_group(aws)
    fleet.invoke(do="start", by=OWNER, why="a demonstration")
    first = fleet.id()
    fleet.launch(first)
    fleet.tick()
    fleet.boots_whole()
    assert fleet.tick()["state"] == "ready"
    aws.outside("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=False
    )
    assert fleet.id() != first
    aws.now += 60
    fleet.launch(fleet.id())
    assert fleet.tick()["state"] == "starting"
    fleet.boots_whole()
    assert fleet.tick()["state"] == "ready"
    assert fleet.record().instance == fleet.id()
