"""What Terraform must not make of infra/: checks of what `terraform show -json` prints, each of them pure.

A rule takes the resources and returns its faults, a sentence each that begins with the resource's address.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.infra.shown import (
    IDENTITY,
    OF_RESOURCES,
    Resource,
    allowed,
    granted,
    listed,
    may,
    of_type,
    principal,
)

WHOLE_SERVICES = {("aws_kms_key", "kms:*")}
"""Without it in a key's policy nobody could change the key again; the account's own policies decide then."""
NO_RESOURCES = {
    *("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances"),
    *("autoscaling:DescribeScalingActivities", "cloudwatch:GetMetricData", "cloudwatch:PutMetricData"),
    *("ec2:DescribeInstances", "ec2:DescribeSpotInstanceRequests", "ec2:DescribeSpotPriceHistory"),
    *("ecr:GetAuthorizationToken", "elasticloadbalancing:DescribeRules"),
    *("elasticloadbalancing:DescribeTargetHealth", "pricing:GetProducts"),
    # of AmazonSSMManagedInstanceCore, by which SSM's agent works
    *("ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage"),
    *("ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply"),
    *("ssm:DescribeAssociation", "ssm:DescribeDocument", "ssm:GetDeployablePatchSnapshotForInstance"),
    *("ssm:GetDocument", "ssm:GetManifest", "ssm:ListAssociations", "ssm:ListInstanceAssociations"),
    *("ssm:PutComplianceItems", "ssm:PutConfigurePackageResult", "ssm:PutInventory"),
    *("ssm:UpdateAssociationStatus", "ssm:UpdateInstanceAssociationStatus", "ssm:UpdateInstanceInformation"),
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
}
"""AWS allows them for no resource but `*`, or, of the agent's, for none that is known beforehand."""
OPEN_PORTS = {80, 443}
SECRETS = (
    re.compile(r"AKIA[0-9A-Z]{16}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    re.compile(r"(?i)[a-z_]*(api_?key|secret|password|token)s?[a-z_]*[\"']?\s*[=:]\s*[\"']?[a-z0-9/+]{16,}"),
)


Rule = Callable[[Sequence[Resource]], list[str]]


def no_action_is_a_whole_service(found: Sequence[Resource]) -> list[str]:
    return [
        f"{policy.address} allows {action}"
        for policy, statement in allowed(found)
        for action in listed(statement["Action"])
        if "*" in action and (policy.type, action) not in WHOLE_SERVICES
    ]


def no_resource_is_everything(found: Sequence[Resource]) -> list[str]:
    """`*` only for actions that have no resources; all else names the appliance, or is chosen by its tag."""
    faults = []
    for policy, statement in allowed(found, IDENTITY):
        for resource in listed(statement["Resource"]):
            with_resources = {*listed(statement["Action"])} - NO_RESOURCES
            if resource == "*" and with_resources:
                faults.append(f"{policy.address} allows {', '.join(sorted(with_resources))} on everything")
            elif resource != "*" and not _owned(resource) and "ResourceTag/Appliance" not in str(statement):
                faults.append(f"{policy.address} allows something on {resource}, which can be another's")
    return faults


def _owned(resource: str) -> bool:
    return re.search(r"skylark[-/][a-z]", resource) is not None


def no_policy_is_for_everybody(found: Sequence[Resource]) -> list[str]:
    return [
        f"{policy.address} allows everybody {', '.join(listed(statement['Action']))}"
        for policy, statement in allowed(found)
        if "*" in (statement.get("Principal"), principal(statement, "AWS"), principal(statement, "Service"))
    ]


def a_service_acts_for_this_account_only(found: Sequence[Resource]) -> list[str]:
    """A service that is let in is so for what this account made, or anybody's rule could use it."""
    return [
        f"{policy.address} lets {principal(statement, 'Service')} in for every account"
        for policy, statement in allowed(found, OF_RESOURCES)
        if principal(statement, "Service") and "aws:Source" not in str(statement.get("Condition"))
    ]


def each_function_that_is_called_permits_it(found: Sequence[Resource]) -> list[str]:
    """By a permission for the service, or for the scheduler by its role."""
    permitted = {
        (one.values["function_name"].rpartition(":")[2], one.values["principal"], one.values["source_arn"])
        for one in of_type(found, "aws_lambda_permission")
    }
    faults = []
    for called, function, service, source in _calls(found):
        if (function, service, source) not in permitted:
            faults.append(f"{called} calls {function}, which {service} may not")
    for schedule in of_type(found, "aws_scheduler_schedule"):
        (target,) = schedule.values["target"]
        if not may(found, target["role_arn"], "lambda:InvokeFunction", target["arn"]):
            faults.append(f"{schedule.address} calls {target['arn']}, which its role may not")
    return faults


def _calls(found: Sequence[Resource]) -> Iterator[tuple[str, str, str, str]]:
    """(address, function, service, what the service calls it for)"""
    rules = {rule.values["name"]: rule.values["arn"] for rule in of_type(found, "aws_cloudwatch_event_rule")}
    for target in of_type(found, "aws_cloudwatch_event_target"):
        if ":function:" in target.values["arn"]:
            function, rule = target.values["arn"].rpartition(":")[2], rules.get(target.values["rule"], "")
            yield target.address, function, "events.amazonaws.com", rule
    for target in of_type(found, "aws_lb_target_group_attachment"):
        if ":function:" in target.values["target_id"]:
            function, group = target.values["target_id"].rpartition(":")[2], target.values["target_group_arn"]
            yield target.address, function, "elasticloadbalancing.amazonaws.com", group


def each_dead_letter_queue_grants_it(found: Sequence[Resource]) -> list[str]:
    faults = []
    for rule in of_type(found, "aws_cloudwatch_event_target"):
        if queue := _dead_letters(rule.values):
            if not granted(found, queue, "events.amazonaws.com", "sqs:SendMessage"):
                faults.append(f"{rule.address} may not send to {queue}")
        else:
            faults.append(f"{rule.address} has no queue for what failed")
    for called in {
        function for _, function, service, _ in _calls(found) if service == "events.amazonaws.com"
    }:
        queue = _on_failure(found, called)
        if not queue or not may(found, _role_of(found, called), "sqs:SendMessage", queue):
            faults.append(f"{called} may not send to its queue for what failed: {queue}")
    for schedule in of_type(found, "aws_scheduler_schedule"):
        (target,) = schedule.values["target"]
        queue = _dead_letters(target)
        if not queue or not may(found, target["role_arn"], "sqs:SendMessage", queue):
            faults.append(f"{schedule.address} may not send to its queue for what failed: {queue}")
    return faults


def _dead_letters(values: Mapping[str, Any]) -> str:
    given = values.get("dead_letter_config") or [{}]
    return str(given[0].get("arn") or "")


def _on_failure(found: Sequence[Resource], function: str) -> str:
    """Where what was called without waiting, and has failed, goes."""
    for one in of_type(found, "aws_lambda_function_event_invoke_config"):
        if one.values["function_name"] == function:
            given = one.values.get("destination_config") or [{}]
            return str((given[0].get("on_failure") or [{}])[0].get("destination") or "")
    return ""


def _role_of(found: Sequence[Resource], function: str) -> str:
    names = {one.values["function_name"]: one.values["role"] for one in of_type(found, "aws_lambda_function")}
    return str(names.get(function, ""))


def no_bucket_is_public(found: Sequence[Resource]) -> list[str]:
    blocks = {one.values["bucket"]: one.values for one in of_type(found, "aws_s3_bucket_public_access_block")}
    ways = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    faults = [
        f"{bucket.address} does not {way.replace('_', ' ')}"
        for bucket in of_type(found, "aws_s3_bucket")
        for way in ways
        if not blocks.get(bucket.values["bucket"], {}).get(way)
    ]
    acls = [one for one in of_type(found, "aws_s3_bucket_acl") if "public" in str(one.values.get("acl"))]
    return faults + [f"{one.address} is {one.values['acl']}" for one in acls]


def only_the_load_balancer_is_open_to_the_internet(found: Sequence[Resource]) -> list[str]:
    of_balancers = {group for one in of_type(found, "aws_lb") for group in one.values["security_groups"]}
    return [
        f"{address} is open to {cidr} at {ports.start} to {ports.stop - 1}"
        for address, group, cidr, ports in _ingress(found)
        if _whole_internet(cidr) and not (group in of_balancers and {*ports} <= OPEN_PORTS)
    ]


def _ingress(found: Sequence[Resource]) -> Iterator[tuple[str, str, str, range]]:
    """(address, security group, network, ports) of each way in."""
    for rule in of_type(found, "aws_vpc_security_group_ingress_rule"):
        for cidr in filter(None, (rule.values.get("cidr_ipv4"), rule.values.get("cidr_ipv6"))):
            yield rule.address, rule.values["security_group_id"], cidr, _ports(rule.values)
    for rule in of_type(found, "aws_security_group_rule"):
        if rule.values["type"] == "ingress":
            for cidr in (rule.values.get("cidr_blocks") or []) + (rule.values.get("ipv6_cidr_blocks") or []):
                yield rule.address, rule.values["security_group_id"], cidr, _ports(rule.values)
    for group in of_type(found, "aws_security_group"):
        for rule in group.values.get("ingress") or []:
            for cidr in (rule.get("cidr_blocks") or []) + (rule.get("ipv6_cidr_blocks") or []):
                yield group.address, group.values["id"], cidr, _ports(rule)


def _ports(rule: Mapping[str, Any]) -> range:
    if rule.get("ip_protocol") == "-1" or rule.get("protocol") == "-1" or rule.get("from_port") is None:
        return range(65_536)
    return range(rule["from_port"], rule["to_port"] + 1)


def _whole_internet(cidr: str) -> bool:
    """Or so much of it that it is nobody's network."""
    return ipaddress.ip_network(cidr).prefixlen < 8


def what_is_kept_is_encrypted(found: Sequence[Resource]) -> list[str]:
    in_buckets = {
        one.values["bucket"] for one in of_type(found, "aws_s3_bucket_server_side_encryption_configuration")
    }
    encrypted: dict[str, Callable[[dict[str, Any]], bool]] = {
        "aws_ebs_volume": lambda values: bool(values.get("encrypted")),
        "aws_instance": lambda values: all(
            disk.get("encrypted")
            for disk in [*values["root_block_device"], *(values.get("ebs_block_device") or [])]
        ),
        "aws_launch_template": lambda values: all(
            str(ebs.get("encrypted")).lower() == "true"
            for disk in values.get("block_device_mappings") or []
            for ebs in disk["ebs"]
        ),
        "aws_s3_bucket": lambda values: values["bucket"] in in_buckets,
        "aws_dynamodb_table": lambda values: any(
            each["enabled"] for each in values["server_side_encryption"]
        ),
        "aws_sns_topic": lambda values: bool(values.get("kms_master_key_id")),
        "aws_sqs_queue": lambda values: bool(
            values.get("sqs_managed_sse_enabled") or values.get("kms_master_key_id")
        ),
        "aws_ecr_repository": lambda values: bool(values.get("encryption_configuration")),
        "aws_ssm_parameter": lambda values: (
            values["type"] == "SecureString" or not values["name"].endswith("api_keys")
        ),
    }
    return [
        f"{one.address} is not encrypted"
        for one in found
        if one.type in encrypted and not encrypted[one.type](one.values)
    ]


def metadata_is_given_for_a_token_only(found: Sequence[Resource]) -> list[str]:
    return [
        f"{one.address} answers IMDSv1"
        for one in of_type(found, "aws_instance", "aws_launch_template")
        if [each.get("http_tokens") for each in one.values.get("metadata_options") or []] != ["required"]
    ]


def no_secret_is_where_many_can_read_it(found: Sequence[Resource]) -> list[str]:
    """In user data, or in a function's environment. Of an instance Terraform keeps a hash of it only."""
    return [
        f"{address} has a secret: {match.group()[:20]}…"
        for address, text in readable(found)
        for secret in SECRETS
        if (match := secret.search(text))
    ]


def readable(found: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """What anybody reads who may look at the account."""
    for one in of_type(found, "aws_launch_template", "aws_instance"):
        for text in filter(None, (one.values.get("user_data"), one.values.get("user_data_base64"))):
            yield one.address, text
            yield one.address, _decoded(text)
    for function in of_type(found, "aws_lambda_function"):
        for environment in function.values.get("environment") or []:
            for name, value in environment["variables"].items():
                yield function.address, f"{name}={value}"
    for parameter in of_type(found, "aws_ssm_parameter"):
        if parameter.values["type"] != "SecureString":
            yield parameter.address, f"{parameter.values['name']}={parameter.values['value']}"


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


RULES: tuple[Rule, ...] = (
    no_action_is_a_whole_service,
    no_resource_is_everything,
    no_policy_is_for_everybody,
    a_service_acts_for_this_account_only,
    each_function_that_is_called_permits_it,
    each_dead_letter_queue_grants_it,
    no_bucket_is_public,
    only_the_load_balancer_is_open_to_the_internet,
    what_is_kept_is_encrypted,
    metadata_is_given_for_a_token_only,
    no_secret_is_where_many_can_read_it,
)
