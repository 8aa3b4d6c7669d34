"""Which metrics are really published: the code of the monitor and of the start function is run here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appliance.machine import Instance
from servers.monitor.metric_data import NAMESPACE as OF_MACHINE
from servers.monitor.metric_data import Before, after, metric_data
from servers.monitor.readings import Door, Engine, Gpu, Readings
from start.publishing import publish

NOW = 1_900_000_000.0
COST = {"today": 1.0, "month": 2.0, "saved_month": 3.0}


def published(appliance: str) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    """(namespace, name, dimensions)"""
    return {
        (namespace, each["MetricName"], frozenset((one["Name"], one["Value"]) for one in each["Dimensions"]))
        for namespace, data in ((OF_MACHINE, _of_machine(appliance)), *_of_start(appliance))
        for each in data
    }


def _of_machine(appliance: str) -> list[dict[str, Any]]:
    """By one whose parts all answer, and which has worked since it published last."""
    before = after(_readings(NOW - 120), Before())
    return metric_data(appliance, _readings(NOW - 10), before, NOW)


def _readings(ended_at: float) -> Readings:
    doors = {"tts": Door(1, 0), "whisperx": Door(1, 0)}
    return Readings(Engine(ended=((ended_at, 1.0),)), doors, Gpu(50.0, 60.0))


def _of_start(appliance: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """By its tick, while the machine runs."""
    sent: list[tuple[str, list[dict[str, Any]]]] = []

    def put_metric_data(Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        sent.append((Namespace, MetricData))

    client = SimpleNamespace(put_metric_data=put_metric_data)
    one = SimpleNamespace(client=lambda _: client, settings=SimpleNamespace(appliance=appliance))
    publish(one, Instance("i-0a", "running", NOW - 60), COST, NOW)  # type: ignore[arg-type]
    return sent
