"""One appliance in AWS: its machine, holds, table and rules, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from appliance import metrics, notices
from appliance.environment import Environment
from appliance.holds import Holds
from appliance.machine import Machine
from appliance.metrics import Metrics
from appliance.routes import Colour, Routes, has_image, live_colour
from appliance.starts import Starts
from appliance.table import Table


class Appliance:
    """`client` gives boto3's client of a service."""

    def __init__(self, settings: Environment, client: Callable[[str], Any]) -> None:
        self.settings, self.client = settings, client

    @cached_property
    def machine(self) -> Machine:
        return Machine(self.settings, self.client)

    @cached_property
    def holds(self) -> Holds:
        return Holds(self.client("ssm"), self.settings.hold_path)

    @cached_property
    def table(self) -> Table:
        return Table(self.client("dynamodb"), self.settings.table)

    @cached_property
    def starts(self) -> Starts:
        return Starts(self.table)

    @cached_property
    def routes(self) -> Routes:
        return Routes(self.client("elbv2"), self.settings.rules, self.settings.reception)

    def live(self) -> Colour:
        return live_colour(self.client("ssm"), self.settings.release_parameter)

    def has_image(self) -> bool:
        return has_image(self.client("ssm"), self.settings.release_parameter)

    def metrics(self, now: float) -> Metrics:
        limits = self.settings.limits
        return metrics.read(self.client("cloudwatch"), self.settings.appliance, now, limits.blind_s)

    def work_s(self, since: float, now: float) -> float:
        return metrics.work_s(self.client("cloudwatch"), self.settings.appliance, since, now)

    def audio_s(self, since: float, now: float) -> float:
        return metrics.audio_s(self.client("cloudwatch"), self.settings.appliance, since, now)

    def notify(self, reason: str, why: str) -> None:
        """A person is told."""
        notices.publish(self.client("sns"), self.settings, reason, why)
