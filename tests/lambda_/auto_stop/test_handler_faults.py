"""What comes in the function's way: no machine is stopped for it, and the next run goes on."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from botocore.exceptions import ConnectTimeoutError

from auto_stop import handler
from tests.lambda_ import aws as fixtures

aws, idle = fixtures.aws, fixtures.idle
STOP = "ec2.StopInstances"
METRICS, HOLDS = "cloudwatch.GetMetricData", "ssm.GetParametersByPath"


def test_an_instance_that_was_terminated_by_hand_is_no_error(idle):
    idle.outside("ec2").terminate_instances(InstanceIds=[idle.variables["INSTANCE_ID"]])
    answer = idle.run()
    assert (answer["action"], answer["reason"]) == ("keep", "gone")


def test_an_instance_that_nobody_knows_is_no_error(aws):
    aws.variables["INSTANCE_ID"] = "i-0123456789abcdef0"
    assert aws.run()["reason"] == "gone"


def test_an_instance_that_is_terminated_between_the_look_and_the_stop_is_no_error(idle):
    idle.refuse(STOP, "InvalidInstanceID.NotFound")
    assert idle.run()["did"] == "nothing"


def test_a_stop_that_another_run_was_faster_with_is_no_error(idle):
    idle.refuse(STOP, "IncorrectInstanceState")
    assert idle.run()["did"] == "nothing"


@pytest.mark.parametrize("call", [METRICS, HOLDS, "ec2.DescribeInstances", STOP])
@pytest.mark.parametrize("code", ["Throttling", "ThrottlingException", "RequestLimitExceeded"])
def test_throttling_is_left_to_the_next_run(idle, call, code):
    idle.refuse(call, code)
    answer = idle.run()
    assert answer["did"] == "nothing"
    assert code in answer["fault"]
    idle.before(call, lambda _: None)
    assert idle.run()["did"] == "stop"


@pytest.mark.parametrize("call", [METRICS, HOLDS, "ec2.DescribeInstances", STOP])
def test_expired_credentials_are_an_error_that_says_what_to_do(idle, call, capsys):
    idle.refuse(call, "ExpiredToken", 403)
    with pytest.raises(handler.Failed, match="logs in again"):
        idle.run()
    assert "ExpiredToken" in json.loads(capsys.readouterr().out)["fault"]
    assert idle.state() == "running"


def test_a_missing_permission_is_an_error_that_says_where_it_stands(idle):
    idle.refuse(HOLDS, "AccessDeniedException")
    with pytest.raises(handler.Failed, match=r"docs/cloud\.md"):
        idle.run()
    assert idle.state() == "running"


def test_an_instance_that_is_protected_from_being_stopped_says_so(idle):
    idle.refuse(STOP, "OperationNotPermitted")
    with pytest.raises(handler.Failed, match="protected from being stopped"):
        idle.run()


def test_a_network_that_is_not_there_is_an_error_and_no_stop(idle):
    def no_network(_):
        raise ConnectTimeoutError(endpoint_url="https://monitoring")

    idle.before(METRICS, no_network)
    with pytest.raises(handler.Failed):
        idle.run()
    assert idle.state() == "running"


def test_a_metric_that_cloudwatch_could_not_give_is_no_reason_to_stop(idle):
    broken = {"Id": "active", "StatusCode": "InternalError", "Timestamps": [], "Values": []}
    idle.before(METRICS, lambda _: (SimpleNamespace(status_code=200), {"MetricDataResults": [broken]}))
    with pytest.raises(handler.Failed, match="ActiveRequests"):
        idle.run()


def test_a_stop_is_not_begun_with_too_little_time_left(idle):
    idle.left_ms = 5000
    answer = idle.run()
    assert (answer["action"], answer["did"]) == ("stop", "nothing")
    assert idle.state() == "running"


class TimedOut(BaseException):
    """As a function ends that has run too long: at once, wherever it is."""


@pytest.mark.parametrize("nth", range(1, 9))
def test_a_function_that_ends_half_way_is_made_good_by_the_next_run(idle, nth):
    calls = [METRICS, HOLDS, "ec2.DescribeInstances", "autoscaling.DescribeAutoScalingInstances"]
    call, at = (calls * 2)[nth - 1], 1 + (nth - 1) // len(calls)

    def end(count):
        if count == at:
            raise TimedOut

    idle.before(call, end)
    with pytest.raises(TimedOut):
        idle.run()
    assert idle.state() == "running"
    assert idle.run()["did"] == "stop"


def test_a_function_that_ends_after_its_stop_leaves_nothing_to_do(idle):
    def end(count):
        if count == 4:
            raise TimedOut

    idle.before(HOLDS, end)
    with pytest.raises(TimedOut):
        idle.run()
    assert idle.state() == "stopped"
    assert idle.run()["reason"] == "not_running"
    assert idle.called.count(STOP) == 1
