"""What AWS says of the machine, and what is done to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from auto_stop.decision import Action, Group, Hold, Instance, Metrics, Point
from auto_stop.environment import Environment
from auto_stop.holds import parse

NAMESPACE = "Skylark"
MINUTE_S = 60
MARGIN_S = 300.0
SERIES = {"last_request_at": "LastRequestAt", "active": "ActiveRequests", "heartbeat": "Heartbeat"}
ENDED = ("terminated", "shutting-down")


class Unreadable(Exception):
    """AWS answered, and not with what was asked."""


class Machine:
    """`client` gives boto3's client of a service."""

    def __init__(self, environment: Environment, client: Any) -> None:
        self._is = environment
        self._cloudwatch, self._ec2 = client("cloudwatch"), client("ec2")
        self._autoscaling, self._ssm = client("autoscaling"), client("ssm")

    def metrics(self, now: float) -> Metrics:
        """All that it published in the last hour and a little more, and what is dated in the near future."""
        since = now - self._is.limits.blind_s - MARGIN_S
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[self._query(id, name) for id, name in SERIES.items()],
            StartTime=_date(since),
            EndTime=_date(now + 2 * MARGIN_S),
            ScanBy="TimestampAscending",
        )
        points: dict[str, list[Point]] = {id: [] for id in SERIES}
        for result in (result for page in pages for result in page["MetricDataResults"]):
            if result.get("StatusCode") in ("InternalError", "Forbidden"):
                raise Unreadable(f"CloudWatch gave no {SERIES[result['Id']]}: {result['StatusCode']}")
            moments = (moment.timestamp() for moment in result["Timestamps"])
            points[result["Id"]] += map(Point, moments, result["Values"])
        return Metrics(
            **{id: sorted(found, key=lambda point: point.at) for id, found in points.items()}, since=since
        )

    def _query(self, id: str, name: str) -> dict[str, Any]:
        dimensions = [{"Name": "Appliance", "Value": self._is.appliance}]
        metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
        return {"Id": id, "MetricStat": {"Metric": metric, "Period": MINUTE_S, "Stat": "Maximum"}}

    def holds(self) -> list[Hold]:
        pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=self._is.hold_path)
        return [parse(found["Name"], found["Value"]) for page in pages for found in page["Parameters"]]

    def instance(self) -> Instance:
        """An instance that nobody knows any more is one with the state ""."""
        if self._is.asg_name:
            return self._of_group(self._is.asg_name)
        found = self._described([self._is.instance_id])
        if not found:
            return Instance(self._is.instance_id)
        owned = self._autoscaling.describe_auto_scaling_instances(InstanceIds=[self._is.instance_id])
        names = [instance["AutoScalingGroupName"] for instance in owned["AutoScalingInstances"]]
        return self._of_group(names[0]) if names else self._instance(found[0])

    def _of_group(self, name: str) -> Instance:
        groups = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ]
        if not groups:
            raise Unreadable(f"there is no Auto Scaling group {name}: look at ASG_NAME")
        group = Group(name, groups[0]["DesiredCapacity"], groups[0]["MinSize"])
        members = groups[0]["Instances"]
        found = self._described([member["InstanceId"] for member in members])
        if not found:
            return Instance(group=group)
        protected = any(member.get("ProtectedFromScaleIn") for member in members)
        newest = max(
            found, key=lambda instance: (instance["State"]["Name"] == "running", instance["LaunchTime"])
        )
        return self._instance(newest, group, protected)

    def _described(self, ids: list[str]) -> list[dict[str, Any]]:
        """Those that exist: by a filter, for to ask for one that is gone is an error."""
        if not ids:
            return []
        pages = self._ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-id", "Values": ids}]
        )
        found = [
            one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]
        ]
        return [one for one in found if one["State"]["Name"] not in ENDED]

    def _instance(
        self, found: dict[str, Any], group: Group | None = None, protected: bool = False
    ) -> Instance:
        return Instance(
            id=found["InstanceId"],
            state=found["State"]["Name"],
            launched_at=found["LaunchTime"].timestamp(),
            spot=self._spot(found),
            group=group,
            protected=protected,
        )

    def _spot(self, found: dict[str, Any]) -> str:
        if found.get("InstanceLifecycle") != "spot":
            return ""
        id = found.get("SpotInstanceRequestId", "")
        asked = [{"Name": "spot-instance-request-id", "Values": [id]}]
        requests = self._ec2.describe_spot_instance_requests(Filters=asked)["SpotInstanceRequests"]
        return str(requests[0]["Type"]) if requests else "one-time"  # what AWS makes of it by default

    def act(self, action: Action, instance: Instance) -> None:
        """Doing it twice is doing it once."""
        if action == Action.EMPTY and instance.group:
            self._autoscaling.set_desired_capacity(
                AutoScalingGroupName=instance.group.name, DesiredCapacity=0, HonorCooldown=False
            )
        if action == Action.STOP:
            self._ec2.stop_instances(InstanceIds=[instance.id])


def _date(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
