"""CloudWatch's alarms in small: their metric math, and how many periods have to be over the threshold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Values = Sequence[float | None]
"""Of one metric, a value for each minute, the oldest first; None is none."""
STATISTICS = {"Maximum": max, "Minimum": min, "Sum": sum}
WORDS = {"AND": "and", "OR": "or"}


def is_told(alarm: Mapping[str, Any], series: Mapping[tuple[str, str], Values]) -> bool:
    """Whether the alarm is in the state ALARM at the end. `series` is by (metric's name, its dimensions)."""
    period_min = _period_s(alarm) // 60
    looked_at = alarm["EvaluationPeriods"]
    over = [
        _breaches(alarm, _at(alarm, series, period_min, index))
        for index in range(-looked_at * period_min, 0, period_min)
    ]
    return sum(over) >= alarm["DatapointsToAlarm"]


def _period_s(alarm: Mapping[str, Any]) -> int:
    (period_s,) = {each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each}
    return int(period_s)


def _breaches(alarm: Mapping[str, Any], value: float | None) -> bool:
    if value is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    less = alarm["ComparisonOperator"] == "LessThanThreshold"
    return value < alarm["Threshold"] if less else value > alarm["Threshold"]


def _at(
    alarm: Mapping[str, Any], series: Mapping[tuple[str, str], Values], period_min: int, index: int
) -> float | None:
    """What the alarm compares in the period that begins at minute `index`, which is from the end."""
    values = {
        each["Id"]: _statistic(each["MetricStat"], series, index, period_min)
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }
    (returned,) = (each for each in alarm["Metrics"] if each["ReturnData"])
    if "Expression" not in returned:
        return values[returned["Id"]]
    return evaluate(returned["Expression"], values)


def _statistic(
    of: Mapping[str, Any], series: Mapping[tuple[str, str], Values], index: int, period_min: int
) -> float | None:
    found = series.get(key(of["Metric"]), ())
    known = [value for value in found[index : index + period_min or None] if value is not None]
    return float(STATISTICS[of["Stat"]](known)) if known else None


def key(metric: Mapping[str, Any]) -> tuple[str, str]:
    """The name, and the last dimension's value: the target group's, the function's …"""
    return metric["MetricName"], sorted(metric["Dimensions"], key=lambda each: str(each["Name"]))[-1]["Value"]


def evaluate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Of one period: None where a metric that has no value is not filled."""
    python = re.sub(r"\b(AND|OR)\b", lambda word: WORDS[word.group()], expression)
    python = re.sub(
        r"FILL\((\w+), (-?\d+)\)", lambda filled: _filled(values[filled[1]], float(filled[2])), python
    )
    if any(values[name] is None for name in values if re.search(rf"\b{name}\b", python)):
        return None
    return float(eval(python, {"__builtins__": {}, "IF": lambda yes, a, b: a if yes else b}, dict(values)))


def _filled(value: float | None, otherwise: float) -> str:
    return f"({otherwise if value is None else value})"
