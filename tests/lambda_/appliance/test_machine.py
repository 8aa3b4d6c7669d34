"""The machine as AWS has it: an instance, or a group's."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.machine import Group, Machine, Refusal
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import a_group, an_instance, desired_capacity

aws = fixtures.aws
FAILED = (
    "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We do not have sufficient"
    " g5.xlarge capacity in the Availability Zone you requested. Launching EC2 instance failed."
)


def machine(aws) -> Machine:
    return Machine(aws.settings(), aws.client)


def test_an_instance_has_its_type_its_zone_and_why_it_is_as_it_is(aws):
    id = an_instance(aws, InstanceType="g5.xlarge")
    there = machine(aws)
    there.stop(there.instance())
    found = there.instance()
    assert (found.id, found.state, found.type, found.zone) == (id, "stopped", "g5.xlarge", "eu-central-1a")
    assert found.reason == "Client.UserInitiatedShutdown"
    assert not found.runs


def test_one_that_is_stopped_can_have_another_type_and_start(aws):
    an_instance(aws, InstanceType="g5.xlarge")
    there = machine(aws)
    there.stop(there.instance())
    there.change_type(there.instance(), "g6.xlarge")
    there.start(there.instance())
    found = there.instance()
    assert (found.state, found.type, found.runs) == ("running", "g6.xlarge", True)


def test_a_group_is_filled_and_emptied_by_its_desired_capacity(aws):
    a_group(aws, desired=0)
    there = machine(aws)
    assert there.instance().group == Group("skylark", desired=0)
    there.start(there.instance())
    assert desired_capacity(aws) == 1
    assert there.instance().runs
    there.stop(there.instance())
    assert desired_capacity(aws) == 0


def test_a_groups_machine_that_is_leaving_is_stopping_though_ec2_says_that_it_runs(aws):
    a_group(aws)
    there = machine(aws)
    (group,) = aws.outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    members = [member | {"LifecycleState": "Terminating:Wait"} for member in group["Instances"]]
    answer = {"AutoScalingGroups": [group | {"Instances": members}]}
    aws.before("autoscaling.DescribeAutoScalingGroups", lambda _: (SimpleNamespace(status_code=200), answer))
    assert there.instance().state == "stopping"


def test_what_a_groups_attempts_ended_with_is_told(aws):
    a_group(aws)

    def activity(at, status, message=FAILED):
        return {"StatusCode": status, "StatusMessage": message, "StartTime": datetime.fromtimestamp(at, UTC)}

    activities = [activity(300, "Failed", "it failed"), activity(200, "Failed"), activity(150, "Successful")]
    answer = {"Activities": [*activities, activity(99, "Failed")]}
    aws.before("autoscaling.DescribeScalingActivities", lambda _: (SimpleNamespace(status_code=200), answer))
    assert machine(aws).refusals(Group("skylark", 1), since=100) == [
        Refusal(300, "LaunchFailed", "it failed"),
        Refusal(200, "InsufficientInstanceCapacity", FAILED),
    ]
