"""moto's AWS in this process: a machine that has been idle, and faults on the way to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config
from moto import mock_aws

from appliance.environment import Environment, read
from appliance.table import Table
from auto_stop.handler import Noticed, run

REGION, IMAGE = "eu-central-1", "ami-12c6146b"
NAME = "skylark-speech"
HOLDS, KEYS, RELEASE = (f"/skylark/speech/{name}" for name in ("holds", "api_keys", "release"))
SECRET, OWNER = "a long secret", "maria"
SERVICES = {"tts": 5000, "whisperx": 5001, "jobs": 5002}
USED = ("cloudwatch", "ec2", "autoscaling", "ssm", "sns", "dynamodb", "elbv2", "s3", "lambda")
UP_S, QUIET_S = 7200.0, 1800.0
PLENTY_MS = 60_000.0


@cache
def _client(service: str, _of: str) -> Any:
    """They take half a second to make, and serve all tests: moto is beneath them."""
    return boto3.client(service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))


@dataclass
class Cloud:
    """Its clock is two hours after everything was made."""

    now: float = field(default_factory=lambda: time.time() + UP_S)
    noticed: Noticed = field(default_factory=lambda: Noticed({}))
    called: list[str] = field(default_factory=list)  # "ec2.StopInstances" …, in order
    variables: dict[str, str] = field(default_factory=dict)
    left_ms: float = PLENTY_MS
    while_it_sleeps: Callable[[], object] = lambda: None
    slept_s: list[float] = field(default_factory=list)
    _before: dict[str, Callable[[int], Any]] = field(default_factory=dict)
    _any: Callable[[int], Any] | None = None
    _any_since: int = 0

    def client(self, service: str) -> Any:
        """The function's: its calls are counted, and can fail."""
        client = _client(service, "the function")
        client.meta.events.register("before-call", self._calling, unique_id="cloud")
        return client

    def outside(self, service: str) -> Any:
        """A client of somebody else: without faults, and not counted."""
        return _client(service, "somebody else")

    def _calling(self, model: Any, **_: Any) -> Any:
        name = f"{model.service_model.service_name}.{model.name}"
        self.called.append(name)
        if self._any is not None:
            self._any(len(self.called) - self._any_since)
        meanwhile = self._before.get(name)
        return meanwhile(self.called.count(name)) if meanwhile else None

    def before_any(self, meanwhile: Callable[[int], Any] | None) -> None:
        """`meanwhile` is called with 1 before the next call, whichever it is, with 2 before the one after."""
        self._any, self._any_since = meanwhile, len(self.called)

    def before(self, call: str, meanwhile: Callable[[int], Any]) -> None:
        """`meanwhile` is called with 1 before the first such call, with 2 before the second …"""
        self._before[call] = meanwhile

    def refuse(self, call: str, code: str, status: int = 400) -> None:
        answer = {"Error": {"Code": code, "Message": "as it was told"}, "ResponseMetadata": {}}
        self.before(call, lambda _: (SimpleNamespace(status_code=status), answer))

    def run(self) -> dict[str, Any]:
        return run(
            self.settings(), self.client, lambda: self.now, lambda: self.left_ms, self.noticed, self.sleep
        )

    def sleep(self, seconds: float) -> None:
        """What was given with `while_it_sleeps` happens, and time passes."""
        self.slept_s.append(seconds)
        self.while_it_sleeps()
        self.now += seconds

    def settings(self) -> Environment:
        return read(self.variables)

    def publish(self, name: str, value: float, at: float) -> None:
        self._put([_datum(name, value, at)])

    def be_idle(self) -> None:
        """It published each minute, and had no work for half an hour."""
        last, data = self.now - QUIET_S, []
        for at in (self.now - 60 * back for back in range(30, -1, -1)):
            data += [_datum("Heartbeat", 1, at), _datum("ActiveRequests", 0, at)]
            data += [_datum("LastRequestAt", min(last, at), at)]
        self._put(data)

    def _put(self, data: list[dict[str, Any]]) -> None:
        self.outside("cloudwatch").put_metric_data(Namespace="Skylark", MetricData=data)

    def hold(self, by: str, for_s: float) -> None:
        value = json.dumps({"until": self.now + for_s, "by": by})
        self.write_hold(by, value)

    def write_hold(self, by: str, value: str) -> None:
        self.write_parameter(f"{HOLDS}/{by}", value)

    def write_parameter(self, name: str, value: str, type: str = "String") -> None:
        self.outside("ssm").put_parameter(Name=name, Value=value, Type=type, Overwrite=True)

    def table(self) -> Table:
        """Somebody else's."""
        return Table(self.outside("dynamodb"), NAME)

    def state(self) -> str:
        found = self.outside("ec2").describe_instances(InstanceIds=[self.variables["INSTANCE_ID"]])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])

    def notices(self) -> list[dict[str, Any]]:
        """What was told to a person, the first first."""
        queue = self.variables["QUEUE_URL"]
        found = self.outside("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(json.loads(message["Body"])["Message"]) for message in found.get("Messages", [])]


def _datum(name: str, value: float, at: float) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC)
    dimensions = [{"Name": "Appliance", "Value": "speech"}]
    return {"MetricName": name, "Value": value, "Timestamp": moment, "Dimensions": dimensions}


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Nothing runs in it yet."""
    with mock_aws():
        made = Cloud()
        made.variables = _people(made) | _stores(made) | _balancer(made)
        made.variables |= {"APPLIANCE": "speech", "START_FUNCTION": f"{NAME}-start"}
        yield made
        for service in USED:
            _client(service, "the function").meta.events.unregister("before-call", unique_id="cloud")


def _people(cloud: Cloud) -> dict[str, str]:
    topic = cloud.outside("sns").create_topic(Name=NAME)["TopicArn"]
    queue = cloud.outside("sqs").create_queue(QueueName="people")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:123456789012:people"
    cloud.outside("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return {"TOPIC_ARN": topic, "QUEUE_URL": queue}


def _stores(cloud: Cloud) -> dict[str, str]:
    """The table, the bucket and the parameters, as Terraform makes them."""
    cloud.outside("dynamodb").create_table(
        TableName=NAME,
        KeySchema=[
            {"AttributeName": "kind", "KeyType": "HASH"},
            {"AttributeName": "id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "id")],
        BillingMode="PAY_PER_REQUEST",
    )
    location = {"LocationConstraint": REGION}
    cloud.outside("s3").create_bucket(Bucket=NAME, CreateBucketConfiguration=location)
    digest = sha256(SECRET.encode()).hexdigest()
    cloud.write_parameter(KEYS, f"{OWNER}:{digest}", "SecureString")
    cloud.write_parameter(RELEASE, json.dumps({"live": "blue", "blue": "an@image", "green": ""}))
    return {
        "HOLD_PARAMETER": HOLDS,
        "KEYS_PARAMETER": KEYS,
        "RELEASE_PARAMETER": RELEASE,
        "TABLE_NAME": NAME,
        "BUCKET": NAME,
    }


def _balancer(cloud: Cloud) -> dict[str, str]:
    """An ALB whose rules lead to reception, a rule for each service."""
    elbv2 = cloud.outside("elbv2")
    subnets = [subnet["SubnetId"] for subnet in cloud.outside("ec2").describe_subnets()["Subnets"]][:2]
    balancer = elbv2.create_load_balancer(Name=NAME, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    reception = elbv2.create_target_group(Name=f"{NAME}-reception", TargetType="lambda")
    arn = reception["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": arn}]
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward
    )["Listeners"][0]["ListenerArn"]
    routes = []
    for priority, (service, port) in enumerate(SERVICES.items(), 1):
        rule = elbv2.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [f"/{service}/*"]}],
            Actions=forward,
        )["Rules"][0]["RuleArn"]
        groups = {colour: _targets(cloud, service, colour, port) for colour in ("blue", "green")}
        routes.append({"rule": rule, "service": service} | groups)
    return {"ROUTES": json.dumps(routes), "RECEPTION_TARGET_GROUP": arn}


def _targets(cloud: Cloud, service: str, colour: str, port: int) -> str:
    vpc = cloud.outside("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = cloud.outside("elbv2").create_target_group(
        Name=f"{NAME}-{service}-{colour}",
        Protocol="HTTP",
        Port=port + (100 if colour == "green" else 0),
        VpcId=vpc,
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def an_instance(cloud: Cloud, **how: Any) -> str:
    """One that the function is told of."""
    made = cloud.outside("ec2").run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, **how)
    cloud.variables["INSTANCE_ID"] = made["Instances"][0]["InstanceId"]
    return cloud.variables["INSTANCE_ID"]


def a_group(cloud: Cloud, desired: int = 1, minimum: int = 0) -> None:
    """One with a machine."""
    autoscaling = cloud.outside("autoscaling")
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="skylark", ImageId=IMAGE, InstanceType="g5.xlarge"
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="skylark",
        LaunchConfigurationName="skylark",
        MinSize=minimum,
        MaxSize=1,
        DesiredCapacity=desired,
        AvailabilityZones=[f"{REGION}a"],
    )
    cloud.variables["ASG_NAME"] = "skylark"


def desired_capacity(cloud: Cloud) -> int:
    (group,) = cloud.outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return int(group["DesiredCapacity"])
