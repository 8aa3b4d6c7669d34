"""docs/cloud.md says what the functions answer, need, and may: held against what they do."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.environment import Environment, read
from tests.docs.pages import blocks, differences, sample, text_of
from tests.lambda_ import aws as fixtures
from tests.lambda_.start.running import NO_CAPACITY, an_empty_group, an_instance_that_is_off

aws = fixtures.aws
PAGE = "docs/cloud.md"
PREFIXES = {"elbv2": "elasticloadbalancing"}
ELSEWHERE = {"ec2:DescribeSpotPriceHistory", "pricing:GetProducts", "ec2:DescribeSpotInstanceRequests"}
"""What no call of these tests asks for: moto has no spot instances that stop, and no prices."""


def may(role):
    """The permissions in the table's line of that role."""
    (line,) = re.findall(rf"^\| {role} \| (.*) \|$", text_of(PAGE), re.MULTILINE)
    return set(re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", line))


def asked(called):
    pairs = (call.split(".") for call in called)
    return {f"{PREFIXES.get(service, service)}:{action}" for service, action in pairs}


def test_the_permissions_are_those_that_are_asked_for(aws):
    aws.variables["INSTANCE_TYPES"] = "g5.xlarge,g6.xlarge"
    starting = an_instance_that_is_off(aws)
    starting.refuse_start(NO_CAPACITY, times=1)
    starting.becomes_ready()
    starting.http("POST", "/machine/hold", {"for_s": 60})
    starting.http("POST", "/machine/stop", {"force": True})
    starting.cloud.outside("ec2").terminate_instances(InstanceIds=[starting.id()])
    starting.http("POST", "/machine/start")
    del aws.variables["INSTANCE_ID"]
    fleet = an_empty_group(aws)
    aws.now += 120
    fleet.http("POST", "/machine/start")
    aws.outside("autoscaling").set_desired_capacity(AutoScalingGroupName="skylark", DesiredCapacity=0)
    called = set(aws.called) | {"autoscaling.DescribeScalingActivities"}
    assert asked(called) | ELSEWHERE == may("both") | may("`start` too")


def test_auto_stop_needs_no_more_than_both_may(aws):
    starting = an_instance_that_is_off(aws)
    starting.becomes_ready()
    aws.now += 3600
    aws.be_idle()
    aws.called.clear()
    aws.refuse("ec2.StopInstances", "Throttling")
    aws.run()
    aws.before("ec2.StopInstances", lambda _: None)
    assert aws.run()["did"] == "stop"
    assert asked(aws.called) <= may("both")


def test_a_status_has_what_the_page_shows(aws):
    starting = an_instance_that_is_off(aws)
    starting.http("POST", "/machine/start", {"why": "chapter 3", "hold_s": 3600})
    aws.now += 30
    starting.boots(boot_at=aws.now)
    told = starting.http("GET", "/machine")[1]
    (shown,) = [
        block.text for block in blocks(PAGE) if block.text.startswith('{"appliance": "speech", "state"')
    ]
    assert differences(sample(shown), told) == []
    assert sample(shown).keys() == told.keys()


def test_every_variable_is_on_the_page():
    named = set(re.findall(r"`([A-Z_]+)`", text_of(PAGE)))
    with pytest.raises(Exception, match="is missing") as caught:
        read({})
    needed = set(re.findall(r"^([A-Z_]+) is missing", str(caught.value), re.MULTILINE))
    assert needed
    assert needed <= named
    assert {"IDLE_S", "GRACE_S", "FRESH_S", "BLIND_S", "INSTANCE_TYPES", "SPOT", "DRY_RUN"} <= named
    assert Environment.__dataclass_fields__
