"""The machine, an instance or that of a group: how AWS says that it is, and what is done to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from appliance.environment import Environment
from appliance.faults import Unreadable

ENDED = ("terminated", "shutting-down")
RUNS = ("pending", "running")
CODE = re.compile(r"\b([A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*) - ")
"""As a scaling activity tells of EC2's refusal: "… Instances. InsufficientInstanceCapacity - We …"."""
LOOKED_AT = 20


@dataclass(frozen=True)
class Group:
    """The Auto Scaling group that the machine belongs to."""

    name: str
    desired: int
    minimum: int = 0


@dataclass(frozen=True)
class Instance:
    """The machine, as EC2 has it; a state of "" says that there is none."""

    id: str = ""
    state: str = ""
    launched_at: float = 0.0  # of its last start, as EC2 tells it
    spot: str = ""  # "one-time", "persistent", or "" for on demand
    group: Group | None = None
    protected: bool = False  # from being scaled in
    type: str = ""
    zone: str = ""
    reason: str = ""  # EC2's code for why it is in its state

    @property
    def runs(self) -> bool:
        return self.state in RUNS


@dataclass(frozen=True)
class Refusal:
    """What a group's attempt to have a machine ended with."""

    at: float
    code: str
    message: str


class Machine:
    """`client` gives boto3's client of a service."""

    def __init__(self, environment: Environment, client: Callable[[str], Any]) -> None:
        self._is = environment
        self._ec2, self._autoscaling = client("ec2"), client("autoscaling")

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

    def start(self, instance: Instance) -> None:
        """Doing it twice is doing it once."""
        if instance.group:
            self._desire(instance.group, 1)
        else:
            self._ec2.start_instances(InstanceIds=[instance.id])

    def stop(self, instance: Instance) -> None:
        """A group would start it again: it is emptied instead. Doing it twice is doing it once."""
        if instance.group:
            self._desire(instance.group, 0)
        else:
            self._ec2.stop_instances(InstanceIds=[instance.id])

    def change_type(self, instance: Instance, type: str) -> None:
        """Of one that is stopped and of no group."""
        self._ec2.modify_instance_attribute(InstanceId=instance.id, InstanceType={"Value": type})

    def refusals(self, group: Group, since: float) -> list[Refusal]:
        """Of the group's attempts since then, the newest first."""
        activities = self._autoscaling.describe_scaling_activities(
            AutoScalingGroupName=group.name, MaxRecords=LOOKED_AT
        )["Activities"]
        return [
            _refusal(each)
            for each in activities
            if each["StatusCode"] == "Failed" and each["StartTime"].timestamp() >= since
        ]

    def _desire(self, group: Group, count: int) -> None:
        self._autoscaling.set_desired_capacity(
            AutoScalingGroupName=group.name, DesiredCapacity=count, HonorCooldown=False
        )

    def _of_group(self, name: str) -> Instance:
        groups = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ]
        if not groups:
            raise Unreadable(f"there is no Auto Scaling group {name}: look at ASG_NAME")
        group = Group(name, groups[0]["DesiredCapacity"], groups[0]["MinSize"])
        members = groups[0]["Instances"]
        staying = [each for each in members if not each["LifecycleState"].startswith("Terminat")]
        found = self._described([each["InstanceId"] for each in staying or members])
        if not found:
            return Instance(group=group)
        protected = any(member.get("ProtectedFromScaleIn") for member in members)
        newest = max(
            found, key=lambda instance: (instance["State"]["Name"] == "running", instance["LaunchTime"])
        )
        return self._instance(newest, group, protected, leaving=not staying)

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
        self,
        found: dict[str, Any],
        group: Group | None = None,
        protected: bool = False,
        leaving: bool = False,
    ) -> Instance:
        return Instance(
            id=found["InstanceId"],
            state="stopping" if leaving else found["State"]["Name"],
            launched_at=found["LaunchTime"].timestamp(),
            spot=self._spot(found),
            group=group,
            protected=protected,
            type=found["InstanceType"],
            zone=found["Placement"]["AvailabilityZone"],
            reason=found.get("StateReason", {}).get("Code", ""),
        )

    def _spot(self, found: dict[str, Any]) -> str:
        if found.get("InstanceLifecycle") != "spot":
            return ""
        id = found.get("SpotInstanceRequestId", "")
        asked = [{"Name": "spot-instance-request-id", "Values": [id]}]
        requests = self._ec2.describe_spot_instance_requests(Filters=asked)["SpotInstanceRequests"]
        return str(requests[0]["Type"]) if requests else "one-time"  # what AWS makes of it by default


def _refusal(activity: dict[str, Any]) -> Refusal:
    message = activity.get("StatusMessage", "")
    found = CODE.search(message)
    return Refusal(activity["StartTime"].timestamp(), found[1] if found else "LaunchFailed", message)
