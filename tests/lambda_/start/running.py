"""The function against moto's AWS: what it is asked, and a machine that boots as one does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import EndpointConnectionError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from appliance.appliance import Appliance
from appliance.starts import Start
from appliance.table import BOOT, LEDGER, WAITING
from start.handler import Warm, run
from tests.lambda_.cloud import OWNER, REGION, SECRET, Cloud, a_group, an_instance

START, CHANGE_TYPE = "ec2.StartInstances", "ec2.ModifyInstanceAttribute"
DESIRE = "autoscaling.SetDesiredCapacity"
NO_CAPACITY = "InsufficientInstanceCapacity"


def no_price_list(service: str, region: str) -> Any:
    raise EndpointConnectionError(endpoint_url=f"https://{service}.{region}")


class Starting:
    """What people, the schedule and the machine do; `cloud.now` is the time."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.warm = cloud, Warm()
        self.answers = True
        """Whether the machine's services do, once it runs."""
        cloud.before("elbv2.DescribeTargetHealth", self._health)
        cloud.before(START, self._launch)

    def invoke(self, **event: Any) -> dict[str, Any]:
        cloud = self.cloud
        return run(
            cloud.settings(),
            cloud.client,
            lambda: cloud.now,
            lambda: cloud.left_ms,
            event,
            self.warm,
            cloud.sleep,
            no_price_list,
        )

    def tick(self, after_s: float = 0.0) -> dict[str, Any]:
        self.cloud.now += after_s
        return self.invoke(do="tick")

    def http(
        self, method: str, path: str, body: object = None, key: str | None = SECRET, query: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """The status and the body."""
        answer = self.raw(method, path, body, key, query)
        return answer["statusCode"], json.loads(answer["body"])

    def raw(
        self, method: str, path: str, body: object = None, key: str | None = SECRET, query: str = ""
    ) -> dict[str, Any]:
        text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        pairs = dict(pair.split("=") for pair in query.split("&") if pair)
        headers = {"content-type": "application/json"} | ({"x-api-key": key} if key else {})
        return self.invoke(
            httpMethod=method, path=path, body=text, headers=headers, queryStringParameters=pairs
        )

    def record(self) -> Start:
        return self._appliance().starts.read()

    def leads(self) -> set[str]:
        return set(self._appliance().routes.leads().values())

    def _appliance(self) -> Appliance:
        """Somebody else's."""
        return Appliance(self.cloud.settings(), self.cloud.outside)

    def ledger(self) -> list[dict[str, Any]]:
        return list(self.cloud.table().all(LEDGER))

    def events(self) -> list[str]:
        return [entry["event"] for entry in self.ledger()]

    def boots(self, **at: Any) -> None:
        """The machine says so, of its own start."""
        self.cloud.table().update(BOOT, self.id(), at)

    def boots_whole(self) -> None:
        """A minute a stage, the last one now."""
        stages = ("boot_at", "image_at", "model_at", "audio_at")
        self.cloud.now += 60 * len(stages)
        self.boots(**{name: self.cloud.now - 60 * back for back, name in enumerate(reversed(stages))})

    def id(self) -> str:
        if id := self.cloud.variables.get("INSTANCE_ID"):
            return id
        (group,) = self.cloud.outside("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return str(group["Instances"][0]["InstanceId"])

    def launch(self, id: str) -> None:
        """moto leaves the time of the first launch."""
        backend = ec2_backends[DEFAULT_ACCOUNT_ID][REGION]
        backend.get_instance(id).launch_time = datetime.fromtimestamp(int(self.cloud.now), UTC).replace(
            tzinfo=None
        )

    def _launch(self, _: int) -> None:
        self.launch(self.cloud.variables["INSTANCE_ID"])

    def _health(self, _: int) -> Any:
        state = "healthy" if self.answers else "unhealthy"
        found = {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}}]}
        return SimpleNamespace(status_code=200), found

    def refuse_start(self, code: str, times: int) -> None:
        """So often, and then no more."""

        def refused(count: int) -> Any:
            if count > times:
                return self._launch(count)
            answer = {"Error": {"Code": code, "Message": "We do not have it."}, "ResponseMetadata": {}}
            return SimpleNamespace(status_code=400), answer

        self.cloud.before(START, refused)

    def accept_work(self, id: str, at: float | None = None) -> None:
        """As lambda/reception does."""
        at = self.cloud.now if at is None else at
        self.cloud.table().put({"kind": WAITING, "id": id, "status": "waiting", "accepted_at": at})

    def becomes_ready(self, by: str = OWNER) -> None:
        self.invoke(do="start", by=by, why="a demonstration", hold_s=0)
        self.boots_whole()
        assert self.tick()["state"] == "ready"


def an_instance_that_is_off(cloud: Cloud) -> Starting:
    id = an_instance(cloud, InstanceType="g5.xlarge")
    cloud.outside("ec2").stop_instances(InstanceIds=[id])
    return Starting(cloud)


def an_empty_group(cloud: Cloud) -> Starting:
    a_group(cloud, desired=0)
    return Starting(cloud)


class TimedOut(BaseException):
    """As a function ends that has run too long: at once, wherever it is."""


LOOKS = ("Get", "Describe", "Query")


@contextmanager
def ends_at_change(cloud: Cloud, nth: int) -> Iterator[Callable[[], bool]]:
    """The function ends before the nth of its calls that change anything: to end at a look before that is the
    same. Gives whether it did.
    """
    changes: list[str] = []

    def end(_: int) -> None:
        name = cloud.called[-1]
        if not name.partition(".")[2].startswith(LOOKS):
            changes.append(name)
            if len(changes) == nth:
                raise TimedOut

    cloud.before_any(end)
    try:
        yield lambda: len(changes) >= nth
    finally:
        cloud.before_any(None)
