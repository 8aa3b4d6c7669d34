"""Which metrics are really published: by the code of the machine's monitor and of the functions, run here."""

from __future__ import annotations

from typing import Any

from appliance.figures import figures
from appliance.metrics import NAMESPACE as OF_FUNCTIONS
from servers.monitor.metric_data import NAMESPACE as OF_MACHINE
from servers.monitor.metric_data import Before, after, metric_data
from servers.monitor.readings import Door, Engine, Gpu, Readings

NOW = 1_900_000_000.0
COST = {"today": 1.0, "month": 2.0, "saved_month": 3.0}


def published(appliance: str) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    """(namespace, name, dimensions)"""
    of_machine = [(OF_MACHINE, each) for each in _of_machine(appliance)]
    of_functions = [(OF_FUNCTIONS, each) for each in figures(appliance, COST, NOW - 60, NOW)]
    return {
        (namespace, each["MetricName"], frozenset((one["Name"], one["Value"]) for one in each["Dimensions"]))
        for namespace, each in of_machine + of_functions
    }


def _of_machine(appliance: str) -> list[dict[str, Any]]:
    """By one whose parts all answer, and which has worked since it published last."""
    before = after(_readings(NOW - 120), Before())
    return metric_data(appliance, _readings(NOW - 10), before, NOW)


def _readings(ended_at: float) -> Readings:
    doors = {"tts": Door(1, 0), "whisperx": Door(1, 0)}
    return Readings(Engine(ended=((ended_at, 1.0),)), doors, Gpu(50.0, 60.0))
