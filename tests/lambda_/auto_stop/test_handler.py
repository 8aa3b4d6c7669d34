"""The function against moto's AWS: what it does, and what it says."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from auto_stop import handler
from auto_stop.decision import SETTLE_S
from servers.monitor.own_hold import LOOK_EVERY_S
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import RELEASE, UP_S, a_group, an_instance, desired_capacity

aws, idle, idle_group = fixtures.aws, fixtures.idle, fixtures.idle_group
STOP, DESIRE = "ec2.StopInstances", "autoscaling.SetDesiredCapacity"
METRICS, HOLDS = "cloudwatch.GetMetricData", "ssm.GetParametersByPath"


def test_an_idle_machine_is_stopped(idle):
    answer = idle.run()
    assert (answer["action"], answer["reason"], answer["did"]) == ("stop", "idle", "stop")
    assert idle.state() == "stopped"


def test_one_line_of_json_says_what_the_answer_says(idle, capsys):
    answer = idle.run()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == answer
    assert answer["appliance"] == "speech"
    assert answer["instance"] == idle.variables["INSTANCE_ID"]
    assert answer["idle_s"] == pytest.approx(1800, abs=60)
    assert "no work for" in answer["why"]


def test_it_looks_twice_before_it_stops(idle):
    idle.run()
    before = idle.called[: idle.called.index(STOP)]
    assert before.count(METRICS) == 2
    assert before.count("dynamodb.GetItem") == 2
    assert before.count("dynamodb.Query") == 2


def test_it_looks_at_the_holds_last_of_all(idle):
    idle.run()
    assert idle.called[idle.called.index(STOP) - 1] == HOLDS


def test_it_gives_the_machine_time_to_hold_itself_once_nobody_is_led_to_it_any_more(idle):
    idle.run()
    assert idle.slept_s == [SETTLE_S]
    assert SETTLE_S > 2 + LOOK_EVERY_S + 1  # the rules' and a parameter's delay, and the machine's look


def test_a_machine_that_holds_itself_meanwhile_is_not_stopped(idle):
    idle.while_it_sleeps = lambda: idle.hold("machine", 300)
    answer = idle.run()
    assert answer["did"] == "nothing"
    assert "machine holds it" in answer["but"]
    assert idle.state() == "running"


def test_it_looks_once_where_it_does_not_stop(idle):
    idle.publish("ActiveRequests", 3, idle.now)
    assert idle.run()["reason"] == "busy"
    assert idle.called.count(METRICS) == 1
    assert idle.state() == "running"


def test_a_second_run_has_nothing_to_do(idle):
    idle.run()
    answer = idle.run()
    assert (answer["reason"], answer["did"]) == ("not_running", "nothing")


def test_of_a_machine_that_is_off_it_asks_nothing_that_costs(idle):
    idle.outside("ec2").stop_instances(InstanceIds=[idle.variables["INSTANCE_ID"]])
    assert idle.run()["reason"] == "not_running"
    assert METRICS not in idle.called


def test_before_the_first_release_the_machine_is_stopped(aws):
    an_instance(aws)
    aws.write_parameter(RELEASE, '{"live": "blue", "blue": "", "green": ""}')
    answer = aws.run()
    assert (answer["reason"], answer["did"]) == ("no_image", "stop")
    assert aws.state() == "stopped"


def test_a_dry_run_says_what_it_would_do(idle):
    idle.variables["DRY_RUN"] = "true"
    answer = idle.run()
    assert (answer["action"], answer["did"], answer["dry_run"]) == ("stop", "nothing", True)
    assert idle.state() == "running"


def test_a_dry_run_tells_no_person(aws):
    an_instance(aws)
    aws.variables["DRY_RUN"] = "true"
    assert aws.run()["action"] == "alarm"
    assert aws.notices() == []


def test_anothers_metrics_are_not_looked_at(idle):
    idle.variables["APPLIANCE"] = "another"
    assert idle.run()["reason"] == "blind"


def test_aws_calls_it_with_an_environment_and_a_context(idle, monkeypatch):
    for name, value in idle.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handler.time, "time", lambda: idle.now)
    assert handler.handler({}, None)["did"] == "stop"


# Holds


def test_a_hold_is_read_from_below_the_path(idle):
    idle.hold("maria", 3600)
    answer = idle.run()
    assert (answer["reason"], answer["did"]) == ("held", "nothing")
    assert "maria" in answer["why"]


def test_more_holds_than_a_page_has_are_all_read(idle):
    for number in range(12):
        idle.hold(f"start-{number:02}", 60 if number == 11 else -60)
    assert idle.run()["reason"] == "held"


def test_a_hold_that_ended_is_none(idle):
    idle.hold("maria", -1)
    assert idle.run()["did"] == "stop"


def test_two_starts_and_a_stop_at_once(idle):
    def two_starts(count):
        if count == 2:
            idle.hold("start-gpu-anna", 600)
            idle.hold("start-gpu-ben", 900)

    idle.before(HOLDS, two_starts)
    answer = idle.run()
    assert (answer["action"], answer["reason"]) == ("keep", "held")
    assert answer["why"].startswith("at the second look: start-gpu-ben")
    assert idle.state() == "running"


def test_work_that_comes_between_the_looks_keeps_it(idle):
    idle.before(METRICS, lambda count: idle.publish("ActiveRequests", 1, idle.now) if count == 2 else None)
    answer = idle.run()
    assert (answer["reason"], answer["did"]) == ("busy", "nothing")


def test_a_start_that_comes_after_the_last_look_is_told_to_a_person(idle):
    idle.before(STOP, lambda _: idle.hold("start-gpu", 600))
    answer = idle.run()
    assert answer["held_too_late"]
    assert answer["did"] == "stop"
    (notice,) = idle.notices()
    assert notice["reason"] == "held_too_late"
    assert "start-gpu" in notice["why"]


def test_a_hold_that_cannot_be_read_keeps_it_and_is_told(idle):
    idle.write_hold("maria", "until tomorrow")
    assert idle.run()["did"] == "notice"
    assert "holds/maria" in idle.notices()[0]["why"]


# Alarms


def test_a_blind_machine_is_told_and_not_stopped(aws):
    an_instance(aws)
    answer = aws.run()
    assert (answer["action"], answer["reason"], answer["did"]) == ("alarm", "blind", "notice")
    (notice,) = aws.notices()
    assert notice["appliance"] == "speech"
    assert "dashboard" not in notice
    assert aws.state() == "running"


def test_who_is_told_is_told_where_the_dashboard_is(aws):
    an_instance(aws)
    aws.variables["DASHBOARD_URL"] = "https://console.aws.amazon.com/cloudwatch/home#dashboards:name=skylark"
    aws.run()
    assert aws.notices()[0]["dashboard"] == aws.variables["DASHBOARD_URL"]


def test_an_alarm_is_told_once_an_hour(aws):
    an_instance(aws)
    began = aws.now
    did = []
    for minutes in (0, 1, 59, 60, 61):
        aws.now = began + 60 * minutes
        did.append(aws.run()["did"])
    assert did == ["notice", "nothing", "nothing", "notice", "nothing"]


def test_an_alarm_that_could_not_be_told_is_told_by_the_next_run(aws):
    an_instance(aws)
    aws.refuse("sns.Publish", "AccessDenied", 403)
    with pytest.raises(handler.Failed):
        aws.run()
    aws.before("sns.Publish", lambda _: None)
    assert aws.run()["did"] == "notice"


# Groups and spot


def test_a_group_is_emptied(idle_group):
    answer = idle_group.run()
    assert (answer["action"], answer["did"]) == ("empty", "empty")
    assert desired_capacity(idle_group) == 0
    assert STOP not in idle_group.called


def test_an_emptied_group_is_left_alone(idle_group):
    idle_group.run()
    assert idle_group.run()["reason"] == "emptied"
    assert idle_group.called.count(DESIRE) == 1


def test_an_instance_that_belongs_to_a_group_is_not_stopped_but_its_group_emptied(idle_group):
    (group,) = idle_group.outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    del idle_group.variables["ASG_NAME"]
    idle_group.variables["INSTANCE_ID"] = group["Instances"][0]["InstanceId"]
    assert idle_group.run()["did"] == "empty"
    assert desired_capacity(idle_group) == 0
    assert STOP not in idle_group.called


def test_a_group_with_a_minimum_is_told(aws):
    a_group(aws, minimum=1)
    aws.be_idle()
    assert aws.run()["reason"] == "minimum"
    assert desired_capacity(aws) == 1


def test_the_machine_that_a_group_starts_for_one_that_was_terminated_by_hand_has_its_grace(idle_group):
    (group,) = idle_group.outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    ids = [member["InstanceId"] for member in group["Instances"]]
    idle_group.outside("ec2").terminate_instances(InstanceIds=ids)
    idle_group.now -= UP_S
    answer = idle_group.run()
    assert (answer["reason"], answer["did"]) == ("grace", "nothing")
    assert answer["instance"] not in ids


def test_a_group_that_is_not_there_is_an_error_that_says_where_to_look(aws):
    aws.variables["ASG_NAME"] = "skylark"
    with pytest.raises(handler.Failed, match="ASG_NAME"):
        aws.run()


@pytest.mark.parametrize(
    ("kind", "did", "reason"), [("one-time", "notice", "one_time_spot"), ("persistent", "stop", "idle")]
)
def test_a_spot_request_is_stopped_if_it_can_be(aws, kind, did, reason):
    options = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": kind}}
    an_instance(aws, InstanceMarketOptions=options)
    aws.be_idle()

    def asked(_):
        return SimpleNamespace(status_code=200), {"SpotInstanceRequests": [{"Type": kind}]}

    aws.before("ec2.DescribeSpotInstanceRequests", asked)
    answer = aws.run()
    assert (answer["did"], answer["reason"]) == (did, reason)
