"""An appliance in moto's AWS, to release to: rules, target groups, a machine, a table, a parameter."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from moto import mock_aws

from release.__main__ import run
from release.begin import Wish
from release.names import Names, of
from release.plan import Limits

from .host import OLD, Host
from .made import PARAMETER, TABLE, client, variables

QUICK = Limits(machine_s=60, ready_s=60)
BEGIN = {"live": "blue", "blue": OLD, "green": ""}


class Killed(BaseException):
    """As if by SIGKILL."""


@dataclass
class Appliance:
    names: Names
    make: Callable[[str, str], Any] = client
    """boto3's client of a service, for the release or for somebody else."""
    variables: dict[str, str] = field(default_factory=dict)
    start: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """The start function; None is a stand-in."""
    host: Host = field(default_factory=Host)
    now: float = 1_900_000_000.0
    capacity: bool = True
    called: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)  # of the start function
    kept: list[str] = field(default_factory=list)  # tags of what is not to expire
    takes_s: float = 0.0  # so long the machine does what it is told
    told: dict[str, tuple[float, str]] = field(default_factory=dict)  # by the command's id: when it is done
    outcomes: dict[str, str] = field(default_factory=dict)  # the same: what it said
    meanwhile: Callable[[str, int], Any] = field(default=lambda *_: None)
    """Called before each call with its name and how many there were of it; what it returns is the answer."""
    waits: Callable[[], Any] = field(default=lambda: None)
    later: Callable[[str, int], Any] = field(default=lambda *_: None)
    """Called after each."""

    def client(self, service: str) -> Any:
        """The release's."""
        client = self.make(service, "the release")
        client.meta.events.register("before-call", self._before, unique_id="appliance before")
        client.meta.events.register("after-call", self._after, unique_id="appliance after")
        return client

    def outside(self, service: str) -> Any:
        return self.make(service, "somebody else")

    def _before(self, model: Any, params: Any, **_: Any) -> Any:
        name = f"{model.service_model.service_name}.{model.name}"
        self.called.append(name)
        if answer := self.meanwhile(name, self.called.count(name)):
            return answer
        body = params.get("body") or {}
        sent = json.loads(body) if isinstance(body, (str, bytes)) and body[:1] in ("{", b"{") else body
        match name:
            case "lambda.Invoke":
                return _ok(StatusCode=200, Payload=io.BytesIO(json.dumps(self._asked(sent)).encode()))
            case "ecr.BatchGetImage":
                return _ok(images=[{"imageManifest": "{}"}])
            case "ecr.PutImage":
                self.kept.append(sent["imageTag"])
                return _ok(image={})
            case "ssm.DescribeInstanceInformation":
                (id,) = sent["Filters"][0]["Values"]
                return _ok(InstanceInformationList=[{"InstanceId": id, "PingStatus": "Online"}])
            case "ssm.GetCommandInvocation":
                said = self._outcome(sent["CommandId"])
                if said is None:
                    return _ok(Status="InProgress")
                return _ok(
                    Status="Failed" if said else "Success", StandardErrorContent=said, StatusDetails=""
                )
            case "elbv2.DescribeTargetHealth":
                place = body["TargetGroupArn"].split("/")[1].rpartition("-")[2]
                state = "healthy" if self.host.answers(place, "/ready") else "unhealthy"
                return _ok(TargetHealthDescriptions=[{"TargetHealth": {"State": state}}])
        if name == "ssm.SendCommand":
            (self._command,) = sent["Parameters"]["commands"]
        return None

    def _after(self, model: Any, parsed: Any, **_: Any) -> None:
        name = f"{model.service_model.service_name}.{model.name}"
        if name == "ssm.SendCommand" and "Command" in parsed:
            self.told[parsed["Command"]["CommandId"]] = self.now + self.takes_s, self._command
            self._outcome(parsed["Command"]["CommandId"])
        self.later(name, self.called.count(name))

    def _outcome(self, id: str) -> str | None:
        """What came of a command; None while the machine is at it."""
        due_at, command = self.told[id]
        if id not in self.outcomes and self.now >= due_at:
            self.outcomes[id] = self.host.do(command)
        return self.outcomes.get(id)

    def _asked(self, event: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(event)
        if self.start:
            return self.start(event)
        if event["do"] == "start" and self.capacity:
            self.outside("ec2").start_instances(InstanceIds=[self.names.instance_id])
        if event["do"] == "hold" and event["for_s"] < 0:
            return {"error": {"code": "invalid_request", "message": "for_s is 0 or more", "param": "for_s"}}
        fault = None if self.capacity else {"code": "InsufficientInstanceCapacity", "message": "no g5.xlarge"}
        return {"state": "starting", "stage": "capacity", "fault": fault}

    def refuse(self, call: str, nth: int = 1) -> None:
        answer = {"Error": {"Code": "AccessDenied", "Message": "as it was told"}, "ResponseMetadata": {}}
        self.meanwhile = lambda name, count: (
            (SimpleNamespace(status_code=403), answer) if (name, count) == (call, nth) else None
        )

    def release(self, image: str = "", **wish: Any) -> None:
        """As the command does it. Raises what it does."""
        wanted = Wish(by="maria", **wish)
        run(wanted, self.names, self.client, lambda: image, QUICK, self._smoke, lambda: self.now, self._sleep)

    def _smoke(self, url: str, place: str) -> str:
        assert url == "https://speech.example.com"
        return "" if self.host.answers(place, "/speak") else "it says nothing"

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits()

    def led(self) -> dict[str, dict[str, int]]:
        """For each service, the weights of the places and of the reception."""
        rules = [route.rule for route in self.names.routes]
        found = {
            rule["RuleArn"]: rule for rule in self.outside("elbv2").describe_rules(RuleArns=rules)["Rules"]
        }
        return {route.service: _weights(found[route.rule]) for route in self.names.routes}

    def everybody_goes_to(self) -> str:
        """The one place, or the reception."""
        (weights,) = {tuple(sorted(weights.items())) for weights in self.led().values()}
        (place,) = (place for place, weight in weights if weight)
        return place

    def has_somebody_for_everybody(self) -> bool:
        places = {place for weights in self.led().values() for place, weight in weights.items() if weight}
        return all(place == "reception" or self.host.answers(place, "/ready") for place in places)

    def parameter(self) -> dict[str, str]:
        value = self.outside("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
        found: dict[str, str] = json.loads(value)
        return found

    def ledger(self) -> list[str]:
        items = self.outside("dynamodb").scan(TableName=TABLE)["Items"]
        return [item["event"]["S"] for item in items if item["kind"]["S"] == "ledger"]

    def publish(self, place: str, requests: float, errors: float) -> None:
        """What the load balancer counted in this minute, of the tts server's."""
        group = next(route.groups[place] for route in self.names.routes if route.service == "tts")
        balancer = self.outside("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        dimensions = [
            {"Name": "LoadBalancer", "Value": balancer.split(":loadbalancer/")[1]},
            {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
        ]
        at = datetime.fromtimestamp(self.now, UTC)
        values = {"RequestCount": requests, "HTTPCode_Target_5XX_Count": errors}
        self.outside("cloudwatch").put_metric_data(
            Namespace="AWS/ApplicationELB",
            MetricData=[
                {"MetricName": name, "Value": value, "Timestamp": at, "Dimensions": dimensions}
                for name, value in values.items()
            ],
        )

    def anew(self, room: int = 2, machine: bool = True, before: dict[str, str] | None = None) -> None:
        """Everything as it was before the first release of a test: blue serves, or the machine is off."""
        self.host.end()
        self.host = Host(room)
        self.called, self.asked, self.said, self.kept = [], [], [], []
        self.meanwhile = self.later = lambda *_: None
        self.waits, self.capacity, self.start, self.takes_s = lambda: None, True, None, 0.0
        said = before or BEGIN
        self.outside("ssm").put_parameter(
            Name=PARAMETER, Value=json.dumps(said), Type="String", Overwrite=True
        )
        table = self.outside("dynamodb")
        for item in table.scan(TableName=TABLE)["Items"]:
            table.delete_item(TableName=TABLE, Key={"kind": item["kind"], "id": item["id"]})
        action = self.outside("ec2").start_instances if machine else self.outside("ec2").stop_instances
        action(InstanceIds=[self.names.instance_id])
        serves = machine and bool(said[said["live"]])
        if serves:
            self.host.do(f"skylark-place {said['live']} {said[said['live']]}")
            self.host.told.clear()
        self._lead(said["live"] if serves else "")

    def _lead(self, place: str) -> None:
        for route in self.names.routes:
            group = route.groups[place] if place else self.names.reception
            action = {"Type": "forward", "TargetGroupArn": group}
            self.outside("elbv2").modify_rule(RuleArn=route.rule, Actions=[action])


def _weights(rule: dict[str, Any]) -> dict[str, int]:
    (action,) = rule["Actions"]
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or [
        {"TargetGroupArn": action["TargetGroupArn"], "Weight": 100}
    ]
    return {group["TargetGroupArn"].split("/")[1].rpartition("-")[2]: group["Weight"] for group in groups}


def _ok(**answer: Any) -> tuple[Any, dict[str, Any]]:
    return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPStatusCode": 200}} | answer


@contextmanager
def appliance() -> Iterator[Appliance]:
    with mock_aws():
        environment = variables()
        made = Appliance(of(environment), variables=environment)
        yield made
        made.host.end()
        for service in (
            "lambda",
            "ssm",
            "ec2",
            "autoscaling",
            "elbv2",
            "cloudwatch",
            "dynamodb",
            "sns",
            "ecr",
        ):
            events = client(service, "the release").meta.events
            events.unregister("before-call", unique_id="appliance before")
            events.unregister("after-call", unique_id="appliance after")
