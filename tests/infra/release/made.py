"""What Terraform makes, as far as a release goes, in moto's AWS."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

REGION, AMI = "eu-central-1", "ami-12c6146b"
TABLE, PARAMETER = "skylark-speech", "/skylark/speech/release"
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/skylark-speech"
SERVICES = ("tts", "whisperx", "jobs")


@cache
def client(service: str, _of: str) -> Any:
    """They take half a second to make, and serve all tests: moto is beneath them."""
    return boto3.client(service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))


def variables() -> dict[str, str]:
    """What Terraform makes, as far as a release goes, and the start function's environment."""
    ec2, elbv2 = client("ec2", "somebody else"), client("elbv2", "somebody else")
    machine = ec2.run_instances(ImageId=AMI, MinCount=1, MaxCount=1)["Instances"][0]
    zones = [f"{REGION}a", f"{REGION}b"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": zones}])["Subnets"]
    ids = [subnet["SubnetId"] for subnet in subnets]
    balancer = elbv2.create_load_balancer(Name="skylark-speech", Subnets=ids)["LoadBalancers"][0]
    reception = elbv2.create_target_group(Name="skylark-speech-reception", TargetType="lambda")
    to_reception = [{"Type": "forward", "TargetGroupArn": reception["TargetGroups"][0]["TargetGroupArn"]}]
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Port=80, Protocol="HTTP", DefaultActions=to_reception
    )["Listeners"][0]["ListenerArn"]
    routes = []
    for priority, service in enumerate(SERVICES, 1):
        groups = {place: _group(f"skylark-speech-{service}-{place}", machine) for place in ("blue", "green")}
        for n, (place, group) in enumerate(groups.items()):
            conditions = [{"Field": "path-pattern", "Values": [f"/{place}/{service}/*"]}]
            _rule(listener, 10 * priority + n, conditions, group)
        conditions = [{"Field": "path-pattern", "Values": [f"/{service}/*"]}]
        rule = _rule(listener, 100 + priority, conditions, to_reception[0]["TargetGroupArn"])
        routes.append({"rule": rule, "service": service, **groups})
    client("dynamodb", "somebody else").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "kind", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "S"},
        ],
    )
    return {
        "APPLIANCE": "speech",
        "START_FUNCTION": "skylark-speech-start",
        "TABLE_NAME": TABLE,
        "RELEASE_PARAMETER": PARAMETER,
        "HOLD_PARAMETER": "/skylark/speech/holds",
        "RECEPTION_TARGET_GROUP": to_reception[0]["TargetGroupArn"],
        "ROUTES": json.dumps(routes),
        "REPOSITORY_URL": REPOSITORY,
        "SERVICE_URL": "https://speech.example.com",
        "GPU_FITS_TWO": "true",
        "INSTANCE_ID": machine["InstanceId"],
        "TOPIC_ARN": client("sns", "somebody else").create_topic(Name="skylark-speech-people")["TopicArn"],
        "BUCKET": "skylark-speech-123456789012",
        "KEYS_PARAMETER": "/skylark/speech/api_keys",
        "INSTANCE_TYPES": "g5.xlarge",
    }


def _group(name: str, machine: dict[str, Any]) -> str:
    made = client("elbv2", "somebody else").create_target_group(
        Name=name, Protocol="HTTP", Port=5000, VpcId=machine["VpcId"]
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def _rule(listener: str, priority: int, conditions: list[dict[str, Any]], group: str) -> str:
    made = client("elbv2", "somebody else").create_rule(
        ListenerArn=listener,
        Priority=priority,
        Conditions=conditions,
        Actions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    return str(made["Rules"][0]["RuleArn"])
