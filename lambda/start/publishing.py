"""Metrics that the machine's own monitor cannot publish: how long it runs, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from appliance.appliance import Appliance
from appliance.machine import Instance
from appliance.metrics import NAMESPACE

COSTS = {"today": "CostToday", "month": "CostMonth", "saved_month": "SavedMonth"}


def publish(appliance: Appliance, instance: Instance, cost: Mapping[str, float | None], now: float) -> None:
    """RunningSeconds, 0 while it is off, and dollars; those that are not known are not published."""
    values = {"RunningSeconds": max(0.0, now - instance.launched_at) if instance.runs else 0.0}
    values |= {COSTS[name]: dollars for name, dollars in cost.items() if dollars is not None}
    appliance.client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[_datum(appliance, name, value, now) for name, value in values.items()],
    )


def _datum(appliance: Appliance, name: str, value: float, now: float) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Value": value,
        "Unit": "Seconds" if name.endswith("Seconds") else "None",
        "Timestamp": datetime.fromtimestamp(now, UTC),
        "Dimensions": [{"Name": "Appliance", "Value": appliance.settings.appliance}],
    }
