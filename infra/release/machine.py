"""The machine: whether it runs and takes commands, and what it is told by SSM's Run Command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

from release.faults import ReleaseFault
from release.names import Names
from release.plan import Command

DOCUMENT = "AWS-RunShellScript"
REACH_S, RUN_S = 120, 1800
"""Until the machine has to have taken a command, and until it has to be done with it: an image is pulled."""
FAILED = ("Failed", "Cancelled", "TimedOut")


class Machine:
    """`client` gives boto3's client of a service."""

    def __init__(self, names: Names, client: Callable[[str], Any]) -> None:
        self._is = names
        self._ec2, self._autoscaling = client("ec2"), client("autoscaling")
        self._ssm, self._lambda = client("ssm"), client("lambda")

    def instance(self) -> str:
        """The one that runs, and whose agent listens; empty while there is none."""
        ids = self._members() if self._is.asg_name else [self._is.instance_id]
        filters = [
            {"Name": "instance-id", "Values": ids},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        found = self._ec2.describe_instances(Filters=filters)["Reservations"] if ids else []
        running = [one["InstanceId"] for reservation in found for one in reservation["Instances"]]
        return next((id for id in running if self._listens(id)), "")

    def _members(self) -> list[str]:
        groups = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._is.asg_name])
        return [
            member["InstanceId"]
            for group in groups["AutoScalingGroups"]
            for member in group["Instances"]
            if member["LifecycleState"] == "InService"
        ]

    def _listens(self, id: str) -> bool:
        found = self._ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [id]}])
        return any(agent["PingStatus"] == "Online" for agent in found["InstanceInformationList"])

    def start(self, why: str, hold_s: float) -> None:
        self._ask({"do": "start", "by": "release", "why": why, "hold_s": hold_s})

    def hold(self, why: str, for_s: float) -> None:
        """0 lets it go."""
        self._ask({"do": "hold", "by": "release", "why": why, "for_s": for_s})

    def says(self) -> str:
        """How far its start is, or what is in the way."""
        told = self._ask({"do": "status"})
        fault = told.get("fault") or {}
        return ": ".join(filter(None, (told.get("state"), told.get("stage"), fault.get("message"))))

    def _ask(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = self._lambda.invoke(FunctionName=self._is.start_function, Payload=json.dumps(event).encode())
        said = answer["Payload"].read().decode("utf-8", "replace")
        told: dict[str, Any] = {} if answer.get("FunctionError") else json.loads(said)
        if answer.get("FunctionError") or told.get("error"):
            raise ReleaseFault(f"{self._is.start_function} did not {event['do']}: {said}")
        return told

    def tell(self, instance: str, *words: str) -> str:
        """The id of what it was told."""
        sent = self._ssm.send_command(
            InstanceIds=[instance],
            DocumentName=DOCUMENT,
            TimeoutSeconds=REACH_S,
            Comment=f"scripts/release of {self._is.appliance}",
            Parameters={"commands": [shlex.join(words)], "executionTimeout": [str(RUN_S)]},
        )
        return str(sent["Command"]["CommandId"])

    def told(self, instance: str, command: str) -> Command:
        """What became of it. Run Command shows one up to a second late."""
        if not command or not instance:
            return Command()
        try:
            found = self._ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        except self._ssm.exceptions.InvocationDoesNotExist:
            return Command("running")
        if found["Status"] == "Success":
            return Command("done")
        if found["Status"] not in FAILED:
            return Command("running")
        last = found.get("StandardErrorContent", "").strip().splitlines()[-1:]
        return Command("failed", " ".join([*last, f"({found.get('StatusDetails') or found['Status']})"]))
