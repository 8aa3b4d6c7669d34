"""What AWS refuses: no capacity, no such type, too many requests, no rights; and who is told what."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.faults import Failed
from appliance.table import WAITING
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import OWNER, desired_capacity
from tests.lambda_.start.running import (
    CHANGE_TYPE,
    NO_CAPACITY,
    START,
    an_empty_group,
    an_instance_that_is_off,
)

aws = fixtures.aws
TYPES = "g5.xlarge,g6.xlarge,g4dn.xlarge"


@pytest.fixture
def off(aws):
    return an_instance_that_is_off(aws)


def type_of(off):
    found = off.cloud.outside("ec2").describe_instances(InstanceIds=[off.id()])
    return found["Reservations"][0]["Instances"][0]["InstanceType"]


def test_without_capacity_the_types_are_tried_in_turn_and_then_later_until_one_is_there(off):
    off.cloud.variables["INSTANCE_TYPES"] = TYPES
    off.refuse_start(NO_CAPACITY, times=7)
    began = off.cloud.now
    status, told = off.http("POST", "/machine/start")
    assert (status, told["state"], told["stage"]) == (202, "starting", "capacity")
    assert (told["fault"]["code"], told["fault"]["next_attempt_at"]) == (NO_CAPACITY, began + 30)
    assert (off.cloud.called.count(START), off.cloud.called.count(CHANGE_TYPE)) == (3, 2)
    assert off.tick(29)["did"] == []
    off.tick(1)
    assert off.cloud.called.count(START) == 6
    assert off.record().next_attempt_at == off.cloud.now + 60
    off.tick(60)
    assert off.cloud.state() == "running"
    assert type_of(off) == "g6.xlarge"
    told = off.http("GET", "/machine")[1]
    assert (told["type"], told["stage"], told["fault"]) == ("g6.xlarge", "boot", None)


def test_a_start_tries_the_preferred_type_first_though_the_last_one_ended_with_another(off):
    off.cloud.outside("ec2").modify_instance_attribute(
        InstanceId=off.id(), InstanceType={"Value": "g4dn.xlarge"}
    )
    off.cloud.variables["INSTANCE_TYPES"] = TYPES
    off.http("POST", "/machine/start")
    assert (type_of(off), off.cloud.state()) == ("g5.xlarge", "running")


@pytest.mark.parametrize("code", ["Unsupported", "InvalidParameterValue"])
def test_a_region_without_the_types_is_told_with_their_names(off, code):
    off.cloud.variables["INSTANCE_TYPES"] = TYPES
    off.refuse_start(code, times=99)
    told = off.http("POST", "/machine/start")[1]
    assert (told["state"], told["fault"]["code"]) == ("failed", code)
    for type in TYPES.split(","):
        assert type in told["fault"]["message"]
    assert off.cloud.called.count(START) == 3
    (notice,) = off.cloud.notices()
    assert notice["reason"] == code
    assert "INSTANCE_TYPES" in notice["why"]


def test_a_type_that_the_instance_cannot_become_is_passed_over(off):
    off.cloud.variables["INSTANCE_TYPES"] = "p5.48xlarge,g5.xlarge"
    off.cloud.refuse(CHANGE_TYPE, "InvalidParameterValue")
    assert off.http("POST", "/machine/start")[1]["type"] == "g5.xlarge"
    assert off.cloud.state() == "running"


def test_it_is_given_up_after_two_hours_and_told_once(off):
    off.refuse_start(NO_CAPACITY, times=999)
    off.http("POST", "/machine/start")
    for _ in range(25):
        off.tick(300)
    told = off.http("GET", "/machine")[1]
    assert (told["state"], told["fault"]["code"], told["fault"]["next_attempt_at"]) == (
        "failed",
        "given_up",
        None,
    )
    assert NO_CAPACITY in told["fault"]["message"]
    assert [notice["reason"] for notice in off.cloud.notices()] == ["given_up"]
    assert off.events() == ["start_asked", "start_failed"]
    assert off.cloud.called.count(START) < 25


def test_nothing_of_the_waiting_work_is_lost_though_the_start_fails_ten_times(off):
    off.refuse_start("Unsupported", times=10)
    ids = {f"{number:02}" for number in range(20)}
    for id in ids:
        off.accept_work(id)
    states = []
    for _ in range(10 * 7):
        states.append(off.tick(300)["state"])
        if states[-1] == "starting":
            break
    assert off.events().count("start_failed") == 10
    assert off.cloud.state() == "running"
    assert {item["id"] for item in off.cloud.table().all(WAITING)} == ids
    off.boots_whole()
    assert off.tick()["state"] == "ready"
    off.cloud.be_idle()
    assert off.cloud.run()["did"] == "nothing"


@pytest.mark.parametrize(
    "call",
    [
        "dynamodb.GetItem",
        "dynamodb.PutItem",
        "ec2.DescribeInstances",
        START,
        "elbv2.DescribeRules",
    ],
)
@pytest.mark.parametrize("code", ["ThrottlingException", "RequestLimitExceeded"])
def test_throttling_is_left_to_the_next_tick(off, call, code):
    off.accept_work("a")
    off.cloud.refuse(call, code)
    assert code in off.tick()["fault"]
    off.cloud.before(call, off._launch if call == START else lambda _: None)
    off.tick(60)
    assert off.cloud.state() == "running"


def test_who_asks_while_aws_throttles_is_told_to_ask_again(off):
    off.cloud.refuse("ec2.DescribeInstances", "RequestLimitExceeded")
    answer = off.raw("POST", "/machine/start")
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("call", ["dynamodb.GetItem", "ec2.DescribeInstances", START])
def test_expired_credentials_are_an_error_that_says_what_to_do(off, call):
    off.accept_work("a")
    off.cloud.refuse(call, "ExpiredToken", 403)
    with pytest.raises(Failed, match="logs in again"):
        off.tick()
    off.cloud.now += 30
    status, told = off.http("POST", "/machine/start")
    assert (status, told["error"]["code"]) == (503, "unavailable")
    assert "logs in again" in told["error"]["message"]
    off.cloud.before(call, off._launch if call == START else lambda _: None)
    off.tick(60)
    assert off.cloud.state() == "running"


def test_a_missing_right_ends_the_start_and_says_where_the_rights_stand(off):
    off.refuse_start("UnauthorizedOperation", times=99)
    told = off.http("POST", "/machine/start")[1]
    assert (told["state"], told["fault"]["code"]) == ("failed", "UnauthorizedOperation")
    assert "docs/cloud.md" in told["fault"]["message"]
    assert len(off.cloud.notices()) == 1


def test_who_asks_again_and_again_is_no_storm_of_attempts_and_messages(off):
    off.refuse_start("UnauthorizedOperation", times=99)
    for _ in range(20):
        off.http("POST", "/machine/start")
        off.cloud.now += 10
    assert off.cloud.called.count(START) == 4
    assert len(off.cloud.notices()) == 1


def test_a_person_that_could_not_be_told_is_told_by_a_later_tick(off):
    off.refuse_start("UnauthorizedOperation", times=99)
    off.cloud.refuse("sns.Publish", "Throttling")
    assert off.http("POST", "/machine/start")[0] == 503
    off.cloud.before("sns.Publish", lambda _: None)
    assert off.tick(30)["did"] == []
    off.tick(60)
    assert [notice["reason"] for notice in off.cloud.notices()] == ["UnauthorizedOperation"]


def test_an_instance_that_somebody_terminated_says_what_a_person_has_to_do(off):
    off.becomes_ready()
    off.cloud.outside("ec2").terminate_instances(InstanceIds=[off.id()])
    assert off.tick(60)["state"] == "failed"
    told = off.http("POST", "/machine/start")[1]
    assert (told["state"], told["fault"]["code"]) == ("failed", "terminated")
    assert "terraform apply" in told["fault"]["message"]
    off.accept_work("a")
    for _ in range(5):
        off.tick(3600)
    assert [notice["reason"] for notice in off.cloud.notices()] == ["terminated"]
    assert off.leads() == {"reception"}


def test_what_a_fleet_was_refused_is_told_and_it_is_emptied_when_it_is_given_up(aws):
    fleet = an_empty_group(aws)
    message = f"Could not launch Spot Instances. {NO_CAPACITY} - There is no Spot capacity available."

    def activities(_):
        found = {
            "StatusCode": "Failed",
            "StatusMessage": message,
            "StartTime": datetime.fromtimestamp(aws.now, UTC),
        }
        return SimpleNamespace(status_code=200), {"Activities": [found]}

    group = {"AutoScalingGroupName": "skylark", "MinSize": 0, "Instances": []}

    def none_yet(_):
        return SimpleNamespace(status_code=200), {
            "AutoScalingGroups": [group | {"DesiredCapacity": desired_capacity(aws)}]
        }

    aws.before("autoscaling.DescribeScalingActivities", activities)
    aws.before("autoscaling.DescribeAutoScalingGroups", none_yet)
    fleet.invoke(do="start", by=OWNER, why="")
    fleet.tick(60)
    told = fleet.http("GET", "/machine")[1]
    assert (told["state"], told["fault"]["code"]) == ("starting", NO_CAPACITY)
    assert told["fault"]["message"] == message
    assert desired_capacity(aws) == 1
    fleet.tick(7200)
    assert fleet.http("GET", "/machine")[1]["state"] == "failed"
    assert desired_capacity(aws) == 0


def test_a_group_that_may_have_no_machine_is_told(aws):
    fleet = an_empty_group(aws)
    aws.refuse("autoscaling.SetDesiredCapacity", "ValidationError")
    told = fleet.http("POST", "/machine/start")[1]
    assert (told["state"], told["fault"]["code"]) == ("failed", "ValidationError")


def test_a_release_that_cannot_be_read_is_told_and_no_rule_is_touched(off):
    off.becomes_ready()
    off.cloud.write_parameter("/skylark/speech/release", "blue")
    with pytest.raises(Failed, match="release"):
        off.tick(60)
    assert off.leads() == {"machine"}


def test_a_hold_that_cannot_be_written_is_no_start(off):
    off.cloud.refuse("ssm.PutParameter", "AccessDeniedException")
    assert off.http("POST", "/machine/start")[0] == 503
    assert off.record().state == "off"
