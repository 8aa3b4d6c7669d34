"""What Terraform gives the function is checked, and all that is wrong is said at once."""

from __future__ import annotations

import pytest

from appliance.environment import BadEnvironment, Limits, read

GOOD = {
    "APPLIANCE": "speech",
    "INSTANCE_ID": "i-0123456789abcdef0",
    "HOLD_PARAMETER": "/skylark/speech/holds",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:skylark",
    "TABLE_NAME": "skylark-speech",
    "BUCKET": "skylark-speech-123456789012",
    "KEYS_PARAMETER": "/skylark/speech/api_keys",
    "RELEASE_PARAMETER": "/skylark/speech/release",
    "RECEPTION_TARGET_GROUP": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/r/0",
    "START_FUNCTION": "skylark-speech-start",
    "ROUTES": '[{"rule": "arn:rule", "service": "tts", "blue": "arn:blue", "green": "arn:green"}]',
}
FLEET = {name: value for name, value in GOOD.items() if name != "INSTANCE_ID"} | {"ASG_NAME": "skylark"}


def test_what_is_not_given_has_its_default():
    settings = read(GOOD)
    assert settings.limits == Limits(idle_s=900, grace_s=900, fresh_s=300, blind_s=3600)
    assert not settings.dry_run


def test_limits_are_seconds():
    limits = read(GOOD | {"IDLE_S": "600", "GRACE_S": "1200", "FRESH_S": "240", "BLIND_S": "1800"}).limits
    assert limits == Limits(600, 1200, 240, 1800)


def test_the_rules_are_those_that_are_switched():
    (rule,) = read(GOOD).rules
    assert (rule.rule, rule.service, rule.group("blue"), rule.group("green")) == (
        "arn:rule",
        "tts",
        "arn:blue",
        "arn:green",
    )


def test_an_appliance_without_rules_has_none_to_switch():
    assert read(GOOD | {"ROUTES": "[]"}).rules == ()


def test_types_are_in_the_order_in_which_they_are_preferred():
    assert read(GOOD | {"INSTANCE_TYPES": "g5.xlarge, g4dn.xlarge,"}).types == ("g5.xlarge", "g4dn.xlarge")


def test_a_group_stands_in_for_an_instance():
    assert read(FLEET).asg_name == "skylark"


@pytest.mark.parametrize(
    ("value", "dry"), [("true", True), ("1", True), ("False", False), ("0", False), ("", False)]
)
def test_a_dry_run_is_asked_for(value, dry):
    assert read(GOOD | {"DRY_RUN": value}).dry_run is dry


def test_an_empty_limit_is_not_given():
    assert read(GOOD | {"IDLE_S": ""}).limits.idle_s == 900


def test_a_path_that_ends_with_a_slash_is_the_same_path():
    assert read(GOOD | {"HOLD_PARAMETER": "/skylark/speech/holds/"}).hold_path == "/skylark/speech/holds"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"APPLIANCE": ""}, "APPLIANCE is missing"),
        ({"TOPIC_ARN": " "}, "TOPIC_ARN is missing"),
        ({"TOPIC_ARN": "skylark"}, "TOPIC_ARN has to begin with arn:"),
        ({"HOLD_PARAMETER": "holds"}, "HOLD_PARAMETER has to begin with /"),
        ({"HOLD_PARAMETER": "/"}, "HOLD_PARAMETER is a path below which there are holds only"),
        ({"INSTANCE_ID": ""}, "one of INSTANCE_ID and ASG_NAME"),
        ({"ASG_NAME": "skylark"}, "one of INSTANCE_ID and ASG_NAME"),
        ({"INSTANCE_ID": "skylark"}, "INSTANCE_ID is no instance's id"),
        ({"IDLE_S": "a quarter of an hour"}, "IDLE_S is a number of seconds over 0"),
        ({"IDLE_S": "0"}, "IDLE_S is a number of seconds over 0"),
        ({"GRACE_S": "-1"}, "GRACE_S is a number of seconds over 0"),
        ({"BLIND_S": "inf"}, "BLIND_S is a number of seconds over 0"),
        ({"GRACE_S": "nan"}, "GRACE_S is a number of seconds over 0"),
        ({"FRESH_S": "60"}, "FRESH_S is at least 180"),
        ({"BLIND_S": "200"}, "BLIND_S is at least FRESH_S"),
        ({"DRY_RUN": "perhaps"}, "DRY_RUN is true or false"),
        ({"SPOT": "often"}, "SPOT is true or false"),
        ({"ROUTES": ""}, "ROUTES is missing"),
        ({"ROUTES": "arn:rule"}, r"ROUTES has to begin with \["),
        ({"ROUTES": "[1"}, "ROUTES is no JSON list"),
        ({"ROUTES": '[{"rule": "arn:rule"}]'}, "ROUTES is no JSON list of .*service"),
        ({"RECEPTION_TARGET_GROUP": "reception"}, "RECEPTION_TARGET_GROUP has to begin with arn:"),
        ({"KEYS_PARAMETER": "keys"}, "KEYS_PARAMETER has to begin with /"),
    ],
)
def test_what_is_wrong_is_said(changed, says):
    with pytest.raises(BadEnvironment, match=says):
        read(GOOD | changed)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(BadEnvironment) as caught:
        read({})
    assert str(caught.value).splitlines() == [
        "one of INSTANCE_ID and ASG_NAME is needed, and not both",
        "APPLIANCE is missing",
        "HOLD_PARAMETER is missing",
        "TOPIC_ARN is missing",
        "TABLE_NAME is missing",
        "BUCKET is missing",
        "KEYS_PARAMETER is missing",
        "RELEASE_PARAMETER is missing",
        "RECEPTION_TARGET_GROUP is missing",
        "START_FUNCTION is missing",
        "ROUTES is missing",
    ]
