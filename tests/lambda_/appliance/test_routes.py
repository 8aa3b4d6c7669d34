"""Where the rules lead, and that only those are changed that lead elsewhere."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.faults import Unreadable
from appliance.routes import Lead, Routes, has_image, live_colour
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import RELEASE

aws = fixtures.aws
MODIFY = "elbv2.ModifyRule"


@pytest.fixture
def routes(aws):
    aws.variables["INSTANCE_ID"] = "i-0123456789abcdef0"
    settings = aws.settings()
    return Routes(aws.client("elbv2"), settings.rules, settings.reception)


def led(routes) -> set[Lead]:
    return set(routes.leads().values())


def weights(aws, service="tts"):
    """For each colour, or for reception, the weight that the service's rule gives it."""
    rule = next(rule for rule in aws.settings().rules if rule.service == service)
    (found,) = aws.outside("elbv2").describe_rules(RuleArns=[rule.rule])["Rules"]
    names = {rule.blue: "blue", rule.green: "green", aws.settings().reception: "reception"}
    (action,) = found["Actions"]
    if "ForwardConfig" not in action:
        return {names[action["TargetGroupArn"]]: 1}
    groups = action["ForwardConfig"]["TargetGroups"]
    return {names[group["TargetGroupArn"]]: group["Weight"] for group in groups}


def test_terraform_has_made_them_lead_to_reception(routes):
    assert led(routes) == {Lead.RECEPTION}
    assert routes.to_reception() == 0


@pytest.mark.parametrize(("live", "other"), [("blue", "green"), ("green", "blue")])
def test_they_are_led_to_the_live_colour_and_back(aws, routes, live, other):
    assert routes.to_machine(live) == 3
    assert led(routes) == {Lead.MACHINE}
    assert weights(aws) == {live: 100, other: 0}
    assert routes.to_reception() == 3
    assert led(routes) == {Lead.RECEPTION}
    assert weights(aws) == {"reception": 1}


def test_what_leads_there_already_is_not_changed(aws, routes):
    routes.to_machine("blue")
    assert routes.to_machine("blue") == 0
    assert aws.called.count(MODIFY) == 3


def test_the_weights_of_a_release_that_goes_step_by_step_stay(aws, routes):
    routes.to_machine("blue")
    rule = aws.settings().rules[0]
    groups = [{"TargetGroupArn": rule.blue, "Weight": 90}, {"TargetGroupArn": rule.green, "Weight": 10}]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
    aws.outside("elbv2").modify_rule(RuleArn=rule.rule, Actions=[action])
    assert routes.to_machine("blue") == 0
    assert led(routes) == {Lead.MACHINE}
    assert weights(aws) == {"blue": 90, "green": 10}


def test_a_switch_that_ended_half_way_is_gone_on_with(aws, routes):
    def end(count):
        if count == 2:
            raise KeyboardInterrupt

    aws.before(MODIFY, end)
    with pytest.raises(KeyboardInterrupt):
        routes.to_machine("blue")
    assert led(routes) == {Lead.MACHINE, Lead.RECEPTION}
    assert routes.to_machine("blue") == 2
    assert led(routes) == {Lead.MACHINE}


def test_a_rule_that_somebody_deleted_is_told(aws, routes):
    aws.before("elbv2.DescribeRules", lambda _: (SimpleNamespace(status_code=200), {"Rules": []}))
    with pytest.raises(Unreadable, match="apply Terraform again"):
        routes.leads()


def test_without_rules_there_is_nothing_to_switch(aws):
    none = Routes(aws.client("elbv2"), (), "arn")
    assert none.leads() == {}
    assert none.to_machine("blue") == none.to_reception() == 0
    assert none.healthy("blue") == {}


def test_a_service_is_healthy_with_one_healthy_target_of_its_colour(aws, routes):
    assert routes.healthy("blue") == {"tts": False, "whisperx": False, "jobs": False}
    rule = aws.settings().rules[1]
    aws.outside("elbv2").register_targets(TargetGroupArn=rule.blue, Targets=[{"Id": "i-0123456789abcdef0"}])
    assert routes.healthy("blue") == {"tts": False, "whisperx": True, "jobs": False}
    assert not any(routes.healthy("green").values())


def test_the_live_colour_stands_in_a_parameter(aws):
    assert live_colour(aws.client("ssm"), RELEASE) == "blue"
    aws.write_parameter(RELEASE, '{"live": "green"}')
    assert live_colour(aws.client("ssm"), RELEASE) == "green"


def test_before_the_first_release_the_live_colour_has_no_image(aws):
    for value in ('{"live": "blue"}', '{"live": "blue", "blue": "an@image"}'):
        aws.write_parameter(RELEASE, value)
        assert has_image(aws.client("ssm"), RELEASE)
    aws.write_parameter(RELEASE, '{"live": "blue", "blue": "", "green": ""}')
    assert not has_image(aws.client("ssm"), RELEASE)


@pytest.mark.parametrize("value", ["blue", "[]", "{}", '{"live": "red"}'])
def test_a_release_that_cannot_be_read_is_told(aws, value):
    aws.write_parameter(RELEASE, value)
    with pytest.raises(Unreadable, match="/skylark/speech/release"):
        live_colour(aws.client("ssm"), RELEASE)


def test_one_service_is_led_elsewhere_than_the_others(aws, routes):
    assert routes.to_machine("blue", {"tts", "jobs"}) == 2
    assert routes.leads() == {"tts": Lead.MACHINE, "whisperx": Lead.RECEPTION, "jobs": Lead.MACHINE}
    assert routes.to_reception({"tts"}) == 1
    assert routes.leads()["tts"] == Lead.RECEPTION


def test_a_service_whose_rules_lead_to_both_is_led_partly(aws, routes):
    first, second, _ = aws.settings().rules
    twice = (first, replace(second, service=first.service))
    both = Routes(aws.client("elbv2"), twice, aws.settings().reception)
    routes.to_machine("blue", {"tts"})
    assert both.leads() == {"tts": Lead.PARTLY}
    assert both.to_machine("blue", {"tts"}) == 1
    assert both.leads() == {"tts": Lead.MACHINE}
