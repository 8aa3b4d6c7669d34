"""The fullest configuration in moto's AWS: there within three minutes, its parts as they are for each other.

That it can be destroyed, and that nothing is left then, the fixture sees at its end.
"""

from __future__ import annotations

import json

SERVICES = ("tts", "whisperx", "jobs")


def test_it_is_applied_within_three_minutes(applied):
    assert applied.seconds < 180


def test_the_machine_has_imdsv2_only_and_encrypted_volumes(applied):
    machine = _machine(applied)
    assert machine["MetadataOptions"]["HttpTokens"] == "required"
    assert machine["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    volumes = applied.client("ec2").describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [machine["InstanceId"]]}]
    )["Volumes"]
    assert [volume["Encrypted"] for volume in volumes] == [True, True]


def test_only_the_load_balancer_is_open_to_the_world(applied):
    for outputs in (applied.speech, applied.batch):
        groups = applied.client("ec2").describe_security_groups(
            Filters=[{"Name": "tag:Appliance", "Values": [outputs["name"]]}]
        )["SecurityGroups"]
        opened = {
            group["GroupName"]
            for group in groups
            for permission in group["IpPermissions"]
            if permission["IpRanges"] or permission["Ipv6Ranges"]
        }
        assert opened == {f"skylark-{outputs['name']}-balancer"}


def test_the_rules_that_are_switched_lead_to_the_reception_at_first(applied):
    client = applied.client("elbv2")
    for outputs in (applied.speech, applied.batch):
        routes = json.loads(outputs["routes"])
        assert tuple(route["service"] for route in routes) == SERVICES
        for route in routes:
            (rule,) = client.describe_rules(RuleArns=[route["rule"]])["Rules"]
            assert [each["TargetGroupArn"] for each in rule["Actions"]] == [
                outputs["reception_target_group_arn"]
            ]


def test_each_target_group_is_led_to_by_some_rule_so_that_its_health_is_asked(applied):
    client = applied.client("elbv2")
    rules = client.describe_rules(ListenerArn=applied.speech["listener_arn"])["Rules"]
    led_to = {
        action["TargetGroupArn"]
        for rule in rules
        for action in rule["Actions"]
        if rule["Priority"] != "default"
    }
    groups = client.describe_target_groups()["TargetGroups"]
    of_speech = {group["TargetGroupArn"] for group in groups if "/skylark-speech-" in group["TargetGroupArn"]}
    assert led_to == of_speech
    assert len(of_speech) == 8


def test_a_second_apply_leaves_what_the_functions_and_people_have_changed(applied):
    """Where the rules lead, the group's size, released images, people's keys, a machine that is stopped."""
    ec2, machine = applied.client("ec2"), applied.speech["instance_id"]
    ssm, client, group = applied.client("ssm"), applied.client("elbv2"), applied.client("autoscaling")
    route = json.loads(applied.speech["routes"])[0]
    before = client.describe_rules(RuleArns=[route["rule"]])["Rules"][0]["Actions"]
    release, keys = applied.speech["release_parameter"], applied.batch["api_keys_parameter"]
    at_first = ssm.get_parameter(Name=release)["Parameter"]["Value"]
    fleet = applied.batch["group_name"]
    try:
        client.modify_rule(
            RuleArn=route["rule"], Actions=[{"Type": "forward", "TargetGroupArn": route["blue"]}]
        )
        ssm.put_parameter(Name=release, Value='{"live": "green"}', Overwrite=True)
        ssm.put_parameter(Name=keys, Value="maria:" + 64 * "0", Overwrite=True)
        group.set_desired_capacity(AutoScalingGroupName=fleet, DesiredCapacity=1)
        ec2.stop_instances(InstanceIds=[machine])
        planned = _planned(applied)
        assert not {"aws_lb_listener_rule", "aws_ssm_parameter", "aws_autoscaling_group"} & planned.keys()
        assert "delete" not in planned.get("aws_instance", ())
    finally:
        client.modify_rule(RuleArn=route["rule"], Actions=before)
        ssm.put_parameter(Name=release, Value=at_first, Overwrite=True)
        ssm.put_parameter(Name=keys, Value="unset", Overwrite=True)
        group.set_desired_capacity(AutoScalingGroupName=fleet, DesiredCapacity=0)
        ec2.start_instances(InstanceIds=[machine])


def _machine(applied):
    found = applied.client("ec2").describe_instances(InstanceIds=[applied.speech["instance_id"]])
    return found["Reservations"][0]["Instances"][0]


def _planned(applied):
    """What another apply would do, by the resources' types."""
    applied.terraform.must("plan", "-input=false", "-no-color", "-out=again")
    plan = json.loads(applied.terraform.must("show", "-json", "again"))
    changes = {}
    for each in plan.get("resource_changes", []):
        if each["change"]["actions"] != ["no-op"]:
            changes.setdefault(each["type"], set()).update(each["change"]["actions"])
    return changes
