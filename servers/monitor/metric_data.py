"""From readings to what CloudWatch is sent: pure. What is not known is not among it.

A count since the start of a process becomes what came since the last publication, so `Before` is what was
published last. It is kept only where it was published: what CloudWatch did not take is in the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.monitor.readings import Door, Readings

NAMESPACE = "Skylark"
DIMENSION = "Appliance"
COUNT, SECONDS, PERCENT = "Count", "Seconds", "Percent"
PARTS = ("Queued", "Running", "Loading", "Training", "Uploads", "Waiting")
"""Of ActiveRequests."""
Datum = dict[str, Any]


@dataclass(frozen=True)
class Before:
    """How things were at the last publication; empty at the first."""

    doors: Mapping[str, Door] = field(default_factory=dict)
    ended_at: float | None = None
    """The latest end of a job that was published; None: whatever has ended was before this process."""
    last_request_at: float | None = None


def metric_data(appliance: str, readings: Readings, before: Before, now: float) -> list[Datum]:
    """The MetricData of PutMetricData. `now` is in seconds since the epoch."""
    dimensions = [{"Name": DIMENSION, "Value": appliance}]
    values = {
        "Heartbeat": (1, COUNT),
        "SpotInterruption": (int(readings.interruption), COUNT),
        **_activity(readings),
        **_requests(readings, before),
        **_last_request(readings, before, now),
        **_audio(readings, before),
    }
    if readings.gpu is not None:
        values |= {
            "GpuUse": (readings.gpu.use, PERCENT),
            "GpuMemoryUsed": (readings.gpu.memory_used, PERCENT),
        }
    data: list[Datum] = [
        {"MetricName": name, "Dimensions": dimensions, "Timestamp": now, "Value": float(value), "Unit": unit}
        for name, (value, unit) in values.items()
    ]
    segments = list(_since(readings.engine.ended if readings.engine else (), before))
    if segments:
        statistics = {
            "SampleCount": float(len(segments)),
            "Sum": sum(segments),
            "Minimum": min(segments),
            "Maximum": max(segments),
        }
        data.append(
            {
                "MetricName": "SecondsPerSegment",
                "Dimensions": dimensions,
                "Timestamp": now,
                "StatisticValues": statistics,
                "Unit": SECONDS,
            }
        )
    return data


def after(readings: Readings, before: Before) -> Before:
    """What the next publication goes on from, once this one was taken."""
    doors = {name: door for name, door in readings.doors.items() if door is not None}
    ended_at = before.ended_at
    if readings.engine is not None:
        ended_at = max([ended_at or 0.0, *(at for at, _ in readings.engine.ended)])
    return Before({**before.doors, **doors}, ended_at, _latest(readings, before))


def _activity(readings: Readings) -> dict[str, tuple[float, str]]:
    """What is known of its parts; ActiveRequests only where all of them are."""
    parts: dict[str, int] = {}
    if (engine := readings.engine) is not None:
        parts |= {
            "Queued": engine.queued,
            "Running": engine.running,
            "Loading": engine.loading,
            "Training": engine.training,
        }
    if all(readings.doors.values()):
        parts["Uploads"] = sum(door.uploads for door in readings.doors.values() if door)
    if readings.waiting is not None:
        parts["Waiting"] = readings.waiting
    if parts.keys() == set(PARTS):
        parts["ActiveRequests"] = sum(parts.values())
    return {name: (value, COUNT) for name, value in parts.items()}


def _requests(readings: Readings, before: Before) -> dict[str, tuple[float, str]]:
    """Of the doors that answer, and did before: nobody knows when else the count was begun."""
    known = [
        (door, before.doors[name])
        for name, door in readings.doors.items()
        if door is not None and name in before.doors
    ]
    if not known:
        return {}
    requests = sum(_more(door.requests, earlier.requests) for door, earlier in known)
    errors = sum(_more(door.errors, earlier.errors) for door, earlier in known)
    return {"Requests": (requests, COUNT), "Errors": (errors, COUNT)}


def _more(count: int, earlier: int) -> int:
    """A count that has become less began anew, with its process."""
    return count - earlier if count >= earlier else count


def _last_request(readings: Readings, before: Before, now: float) -> dict[str, tuple[float, str]]:
    """Only where all were heard: one that is silent may have been asked a moment ago. 0 is never yet: what
    stops an idle machine could not tell a missing one from a publisher that is blind.
    """
    if readings.engine is None or None in readings.doors.values():
        return {}
    return {"LastRequestAt": (min(_latest(readings, before) or 0.0, now), SECONDS)}


def _latest(readings: Readings, before: Before) -> float | None:
    """The last sign of use: a request, or the end of a job, which somebody has yet to fetch."""
    times = [before.last_request_at, *(door.last_request_at for door in readings.doors.values() if door)]
    if readings.engine is not None:
        times += [readings.engine.last_request_at, *(at for at, _ in readings.engine.ended)]
    return max((at for at in times if at is not None), default=None)


def _audio(readings: Readings, before: Before) -> dict[str, tuple[float, str]]:
    """How many seconds were spoken or heard since; what an hour of audio costs is made of it."""
    if readings.engine is None or before.ended_at is None:
        return {}
    return {"AudioSeconds": (sum(_since(readings.engine.audio, before)), SECONDS)}


def _since(ended: Iterable[tuple[float, float]], before: Before) -> Iterator[float]:
    """The seconds of each job that was done since: a job is one text, or one recording."""
    for finished_at, seconds in ended:
        if before.ended_at is not None and finished_at > before.ended_at:
            yield seconds
