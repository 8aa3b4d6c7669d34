"""What is looked at before a stop, by the function that stops the idle machine and by whoever is asked to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from appliance import waiting
from appliance.appliance import Appliance
from appliance.environment import Limits
from appliance.holds import Hold, latest
from appliance.machine import Instance
from appliance.metrics import Metrics
from appliance.starts import Start
from auto_stop.decision import Decision, Wanted, decide


@dataclass(frozen=True)
class Look:
    """`start` is as it was when it was looked: where another changes it meanwhile, nothing stops."""

    start: Start
    instance: Instance
    metrics: Metrics
    wanted: Wanted
    holds: list[Hold] = field(default_factory=list)

    def without_start(self) -> Look:
        """As if no start were in hand."""
        return replace(self, wanted=replace(self.wanted, starting_for=""))

    def decide(self, now: float, limits: Limits) -> Decision:
        return decide(self.metrics, self.instance, latest(self.holds, now), now, limits, self.wanted)


def look(appliance: Appliance, now: float) -> Look:
    """Holds are read last: a start writes its hold before anything else. CloudWatch, which costs, is not
    asked about a machine that does not run, and the release not of one that publishes: it has an image.
    """
    start = appliance.starts.read()
    instance = appliance.machine.instance()
    metrics = appliance.metrics(now) if instance.runs else Metrics()
    has_image = not instance.runs or bool(metrics.heartbeat) or appliance.has_image()
    waits = waiting.look(appliance.table, now)
    starting_for = (start.asked_by or "somebody") if start.in_hand else ""
    return Look(start, instance, metrics, Wanted(starting_for, waits, has_image), appliance.holds.all())
