"""What Terraform has made keeps to the rules; each rule finds the fault that is planted for it."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.infra import rules
from tests.infra.calls import needed
from tests.infra.rules import RULES
from tests.infra.shown import Resource, listed, resources

HASH_OF_A_KEY = "cd42404d52ad55ccfa9aca4adc828aa5800ad9d385a0671fbcbf724118320619"
FUNCTIONS = ("auto_stop", "start", "reception")
Found = list[Resource]
Plant = Callable[[Found], Found]


@pytest.fixture(scope="module")
def found(applied) -> Found:
    return resources(json.loads(applied.terraform.must("show", "-json")))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_keeps_to_the_rule(found, rule):
    assert rule(found) == []


def set_values(of: str, **values: Any) -> Plant:
    """The first resource of that type has them."""

    def plant(found: Found) -> Found:
        first = next(one for one in found if one.type == of)
        first.values.update(values)
        return found

    return plant


def without(type: str) -> Plant:
    """The first resource of that type is missing."""

    def plant(found: Found) -> Found:
        first = next(one for one in found if one.type == type)
        return [one for one in found if one is not first]

    return plant


def allow(type: str, **statement: Any) -> Plant:
    """A statement is added to the first policy of that type."""

    def plant(found: Found) -> Found:
        first = next(one for one in found if one.type == type)
        policy = json.loads(first.values["policy"])
        policy["Statement"].append({"Effect": "Allow"} | statement)
        first.values["policy"] = json.dumps(policy)
        return found

    return plant


def refuse(type: str, action: str) -> Plant:
    """The action is taken out of every policy of that type."""

    def plant(found: Found) -> Found:
        for one in (each for each in found if each.type == type):
            policy = json.loads(one.values["policy"])
            kept = [each for each in policy["Statement"] if action not in listed(each["Action"])]
            one.values["policy"] = json.dumps(policy | {"Statement": kept})
        return found

    return plant


def let_in(**rule: Any) -> Plant:
    """A way into the machine."""

    def plant(found: Found) -> Found:
        machine = next(one for one in found if one.type == "aws_instance")
        group = machine.values["vpc_security_group_ids"][0]
        planted = {"security_group_id": group, "ip_protocol": "tcp"} | rule
        return [*found, Resource("planted", "aws_vpc_security_group_ingress_rule", planted)]

    return plant


def a_variable(value: str) -> Plant:
    def plant(found: Found) -> Found:
        function = next(one for one in found if one.type == "aws_lambda_function")
        function.values["environment"][0]["variables"]["PLANTED"] = value
        return found

    return plant


def tokens_are_optional(found: Found) -> Found:
    launch = next(one for one in found if one.type == "aws_launch_template")
    launch.values["metadata_options"][0]["http_tokens"] = "optional"
    return found


def a_disk_is_plain(found: Found) -> Found:
    machine = next(one for one in found if one.type == "aws_instance")
    machine.values["root_block_device"][0]["encrypted"] = False
    return found


def a_key_in_user_data(found: Found) -> Found:
    launch = next(one for one in found if one.type == "aws_launch_template")
    script = base64.b64decode(launch.values["user_data"]) + b"\nexport TTS_API_KEY=0123456789abcdef0123\n"
    launch.values["user_data"] = base64.b64encode(script).decode()
    return found


EVERYTHING = {"Action": "ec2:TerminateInstances", "Resource": "*"}
ANOTHERS = {"Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:eu-central-1:123456789012:table/*"}
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:skylark-speech-failed"
BY_EVERYBODYS_RULES = {"Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
TO_THE_WORLD = {"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::skylark-speech/*"}
PLANTED: list[tuple[Callable[[Sequence[Resource]], list[str]], Plant]] = [
    (rules.no_action_is_a_whole_service, allow("aws_iam_role_policy", Action="s3:*", Resource="skylark-a")),
    (rules.no_action_is_a_whole_service, allow("aws_iam_role_policy", Action="*", Resource="skylark-a")),
    (rules.no_action_is_a_whole_service, allow("aws_sqs_queue_policy", Action="sqs:*", Resource=QUEUE)),
    (rules.no_resource_is_everything, allow("aws_iam_role_policy", **EVERYTHING)),
    (rules.no_resource_is_everything, allow("aws_iam_role_policy", **ANOTHERS)),
    (rules.no_policy_is_for_everybody, allow("aws_s3_bucket_policy", **TO_THE_WORLD)),
    (rules.no_policy_is_for_everybody, allow("aws_kms_key", **TO_THE_WORLD | {"Principal": {"AWS": "*"}})),
    (
        rules.a_service_acts_for_this_account_only,
        allow("aws_sqs_queue_policy", Resource=QUEUE, **BY_EVERYBODYS_RULES),
    ),
    (rules.each_function_that_is_called_permits_it, without("aws_lambda_permission")),
    (
        rules.each_function_that_is_called_permits_it,
        set_values("aws_lambda_permission", source_arn="arn:aws:events:eu-central-1:123456789012:rule/other"),
    ),
    (
        rules.each_function_that_is_called_permits_it,
        set_values("aws_lambda_permission", principal="s3.amazonaws.com"),
    ),
    (
        rules.each_function_that_is_called_permits_it,
        refuse("aws_iam_role_policy", "lambda:InvokeFunction"),
    ),
    (rules.each_dead_letter_queue_grants_it, without("aws_sqs_queue_policy")),
    (
        rules.each_dead_letter_queue_grants_it,
        set_values("aws_cloudwatch_event_target", dead_letter_config=[]),
    ),
    (rules.each_dead_letter_queue_grants_it, without("aws_lambda_function_event_invoke_config")),
    (rules.each_dead_letter_queue_grants_it, refuse("aws_iam_role_policy", "sqs:SendMessage")),
    (rules.no_bucket_is_public, without("aws_s3_bucket_public_access_block")),
    (
        rules.no_bucket_is_public,
        set_values("aws_s3_bucket_public_access_block", restrict_public_buckets=False),
    ),
    (
        rules.only_the_load_balancer_is_open_to_the_internet,
        let_in(cidr_ipv4="0.0.0.0/0", from_port=443, to_port=443),
    ),
    (rules.only_the_load_balancer_is_open_to_the_internet, let_in(cidr_ipv6="::/0", ip_protocol="-1")),
    (
        rules.only_the_load_balancer_is_open_to_the_internet,
        let_in(cidr_ipv4="128.0.0.0/1", from_port=22, to_port=22),
    ),
    (rules.what_is_kept_is_encrypted, set_values("aws_ebs_volume", encrypted=False)),
    (rules.what_is_kept_is_encrypted, a_disk_is_plain),
    (rules.what_is_kept_is_encrypted, without("aws_s3_bucket_server_side_encryption_configuration")),
    (rules.what_is_kept_is_encrypted, set_values("aws_dynamodb_table", server_side_encryption=[])),
    (rules.what_is_kept_is_encrypted, set_values("aws_sns_topic", kms_master_key_id="")),
    (
        rules.what_is_kept_is_encrypted,
        set_values("aws_ssm_parameter", type="String", name="/skylark/speech/api_keys"),
    ),
    (rules.metadata_is_given_for_a_token_only, set_values("aws_instance", metadata_options=[])),
    (rules.metadata_is_given_for_a_token_only, tokens_are_optional),
    (rules.no_secret_is_where_many_can_read_it, a_variable("AKIAABCDEFGHIJKLMNOP")),
    (rules.no_secret_is_where_many_can_read_it, a_variable("password: 0123456789abcdef0123")),
    (rules.no_secret_is_where_many_can_read_it, a_key_in_user_data),
]


@pytest.mark.parametrize(("rule", "plant"), PLANTED)
def test_the_rule_finds_what_is_planted(found, rule, plant):
    assert rule(plant(copy.deepcopy(found)))


def test_each_rule_has_something_planted_for_it():
    assert {rule for rule, _ in PLANTED} == {*RULES}


def test_the_hash_of_a_key_is_only_in_its_parameter(found, applied):
    texts = dict(rules.readable(found))
    told = applied.client("ec2").describe_instance_attribute(
        InstanceId=applied.speech["instance_id"], Attribute="userData"
    )["UserData"]["Value"]
    texts["the user data"] = base64.b64decode(told).decode()
    assert "skylark-place" in texts["the user data"]
    assert [address for address, text in texts.items() if HASH_OF_A_KEY in text] == []
    assert [match for secret in rules.SECRETS if (match := secret.search(texts["the user data"]))] == []


# What each function's modules could call, and it does not: they are shared, and its role does not allow it.
NOT_CALLED = {
    "start": set(),
    "auto_stop": {
        "ec2:ModifyInstanceAttribute",
        "ec2:StartInstances",
        "ssm:DeleteParameters",
        "ssm:PutParameter",
    }
    | {"autoscaling:DescribeScalingActivities"},
    "reception": {
        *("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances"),
        *(
            "autoscaling:DescribeScalingActivities",
            "autoscaling:SetDesiredCapacity",
            "cloudwatch:GetMetricData",
        ),
        *("ec2:DescribeInstances", "ec2:DescribeSpotInstanceRequests", "ec2:ModifyInstanceAttribute"),
        *("ec2:StartInstances", "ec2:StopInstances", "elasticloadbalancing:DescribeRules"),
        *("elasticloadbalancing:DescribeTargetHealth", "elasticloadbalancing:ModifyRule", "sns:Publish"),
        *("ssm:DeleteParameters", "ssm:GetParametersByPath", "ssm:PutParameter"),
    },
}
NOT_THE_CODES = {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
"""What Lambda itself does with a function's role."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_what_its_code_does_and_nothing_else(found, function):
    (role,) = (
        one.values
        for one in found
        if one.type == "aws_iam_role_policy"
        and one.values["role"] == f"skylark-speech-{function.replace('_', '-')}"
    )
    allowed = {
        action
        for statement in json.loads(role["policy"])["Statement"]
        for action in listed(statement["Action"])
    }
    assert allowed - NOT_THE_CODES == needed(function) - NOT_CALLED[function]
