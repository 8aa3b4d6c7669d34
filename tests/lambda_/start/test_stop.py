"""Stopping what one has started: by the rule that stops the idle machine, only at once."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.holds import Holds
from appliance.routes import Lead
from auto_stop.decision import SETTLE_S
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import HOLDS, OWNER, desired_capacity
from tests.lambda_.start.running import an_empty_group, an_instance_that_is_off

aws = fixtures.aws
STOP = "ec2.StopInstances"


@pytest.fixture
def ready(aws):
    starting = an_instance_that_is_off(aws)
    starting.becomes_ready()
    news(starting)
    return starting


def news(starting, active=0):
    cloud = starting.cloud
    for name, value in (("Heartbeat", 1), ("ActiveRequests", active), ("LastRequestAt", cloud.now - 30)):
        cloud.publish(name, value, cloud.now)


def refused(starting, code, **body):
    status, told = starting.http("POST", "/machine/stop", body)
    assert (status, told["error"]["code"]) == (409, code)
    assert starting.cloud.state() == "running"
    assert starting.leads() == {Lead.MACHINE}
    assert "stop_refused" in starting.events()
    return told["error"]["message"]


def test_an_idle_machine_stops_at_once(ready):
    status, told = ready.http("POST", "/machine/stop", {"why": "it is evening"})
    assert (status, told["state"]) == (202, "off")
    assert ready.cloud.state() == "stopped"
    assert ready.leads() == {Lead.RECEPTION}
    assert ready.events() == ["start_asked", "start_ready", "stopped"]
    stopped = ready.ledger()[-1]
    assert (stopped["by"], stopped["why"], stopped["purpose"]) == (OWNER, "it is evening", "a demonstration")
    assert stopped["ran_s"] == pytest.approx(240 + SETTLE_S, abs=1)


def test_the_rules_lead_away_before_it_stops(ready):
    ready.http("POST", "/machine/stop")
    called = ready.cloud.called
    assert called.index(STOP) > max(n for n, call in enumerate(called) if call == "elbv2.ModifyRule")


def test_a_busy_machine_is_not_stopped(ready):
    news(ready, active=3)
    assert "3 pieces of work" in refused(ready, "busy")


def test_a_machine_that_work_waits_for_is_not_stopped(ready):
    ready.accept_work("a")
    assert "1 pieces of accepted work wait" in refused(ready, "busy")


def test_a_machine_that_others_hold_is_not_stopped(ready):
    ready.cloud.hold("anna", 600)
    assert "anna holds it" in refused(ready, "held")


def test_who_stops_it_holds_it_no_more(ready):
    ready.http("POST", "/machine/hold", {"for_s": 7200})
    assert ready.http("POST", "/machine/stop")[0] == 202
    assert Holds(ready.cloud.outside("ssm"), HOLDS).all() == []


def test_a_hold_that_comes_at_the_last_moment_keeps_it(ready):
    ready.cloud.before(
        "elbv2.ModifyRule", lambda count: ready.cloud.hold("anna", 600) if count == 4 else None
    )
    assert "anna holds it" in refused(ready, "starting")
    assert STOP not in ready.cloud.called


def test_a_machine_that_nobody_has_heard_of_is_not_stopped(aws):
    starting = an_instance_that_is_off(aws)
    starting.becomes_ready()
    assert "Heartbeat" in refused(starting, "unknown")


def test_by_force_it_is_stopped_whatever_it_does(ready):
    news(ready, active=3)
    ready.cloud.hold("anna", 600)
    assert ready.http("POST", "/machine/stop", {"force": True})[0] == 202
    assert ready.cloud.state() == "stopped"


def test_a_group_is_emptied(aws):
    fleet = an_empty_group(aws)
    fleet.http("POST", "/machine/start")
    assert fleet.http("POST", "/machine/stop", {"force": True})[1]["state"] == "off"
    assert desired_capacity(aws) == 0


def test_what_cannot_be_stopped_says_what_can_be_done(aws):
    fleet = an_empty_group(aws)
    fleet.http("POST", "/machine/start")
    aws.outside("autoscaling").update_auto_scaling_group(AutoScalingGroupName="skylark", MinSize=1)
    status, told = fleet.http("POST", "/machine/stop", {"force": True})
    assert (status, told["error"]["code"]) == (409, "unstoppable")
    assert "set it to 0" in told["error"]["message"]


def test_a_machine_that_is_off_stays_off(aws):
    status, told = an_instance_that_is_off(aws).http("POST", "/machine/stop")
    assert (status, told["state"]) == (202, "off")


def test_ones_own_start_can_be_withdrawn_while_there_is_no_machine(aws):
    starting = an_instance_that_is_off(aws)
    starting.refuse_start("InsufficientInstanceCapacity", times=9)
    starting.http("POST", "/machine/start")
    status, told = starting.http("POST", "/machine/stop")
    assert (status, told["state"]) == (202, "off")
    starting.tick(3600)
    assert aws.state() == "stopped"
    assert {entry["event"]: entry.get("reason") for entry in starting.ledger()} == {
        "start_asked": None,
        "start_failed": "withdrawn",
    }


def test_anothers_start_is_not_withdrawn(aws):
    starting = an_instance_that_is_off(aws)
    starting.refuse_start("InsufficientInstanceCapacity", times=9)
    starting.invoke(do="start", by="anna", why="a talk")
    status, told = starting.http("POST", "/machine/stop")
    assert (status, told["error"]["code"]) == (409, "starting")
    assert "anna" in told["error"]["message"]
    assert starting.http("POST", "/machine/stop", {"force": True})[1]["state"] == "off"


def test_a_machine_that_starts_for_another_is_not_stopped(aws):
    starting = an_instance_that_is_off(aws)
    starting.invoke(do="start", by="anna", why="a talk", hold_s=0)
    starting.tick(30)
    status, told = starting.http("POST", "/machine/stop")
    assert (status, told["error"]["code"]) == (409, "starting")
    assert "is started for anna" in told["error"]["message"]


def test_a_stop_that_aws_refuses_leaves_all_as_it_was(ready):
    ready.cloud.refuse(STOP, "OperationNotPermitted")
    status, told = ready.http("POST", "/machine/stop")
    assert status == 503
    assert "protected from being stopped" in told["error"]["message"]
    assert ready.record().state == "ready"
    assert ready.leads() == {Lead.MACHINE}
