"""What people look at of the appliance itself, published to CloudWatch: how long it runs, and what it costs.

What the machine does, it publishes itself; these are known also while it is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.metrics import NAMESPACE

DOLLARS, SECONDS = "None", "Seconds"
OF_COST = {"CostToday": "today", "CostMonth": "month", "SavedMonth": "saved_month"}
"""The metric, in dollars, and what `ledger.cost_so_far` calls it."""


def figures(
    appliance: str, cost: Mapping[str, float | None], launched_at: float | None, now: float
) -> list[dict[str, Any]]:
    """The MetricData of PutMetricData. `cost` is as `ledger.cost_so_far` has it: what is not known of it
    is not published; `launched_at` is None while no machine runs.
    """
    running_s = 0.0 if launched_at is None else max(0.0, now - launched_at)
    dollars = {metric: cost[name] for metric, name in OF_COST.items()}
    values = {"RunningSeconds": (running_s, SECONDS)}
    values |= {metric: (value, DOLLARS) for metric, value in dollars.items() if value is not None}
    dimensions = [{"Name": "Appliance", "Value": appliance}]
    return [
        {"MetricName": name, "Dimensions": dimensions, "Timestamp": now, "Value": float(value), "Unit": unit}
        for name, (value, unit) in values.items()
    ]


def publish(cloudwatch: Any, data: list[dict[str, Any]]) -> None:
    """`cloudwatch` is boto3's client."""
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
