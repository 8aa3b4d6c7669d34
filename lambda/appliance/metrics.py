"""What the machine published to CloudWatch of its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance.faults import Unreadable

NAMESPACE = "Skylark"
MINUTE_S = 60
DAY_S = 86_400.0
KEPT_S = 60 * DAY_S
"""So long CloudWatch has values of five minutes."""
MARGIN_S = 300.0
SERIES = {"last_request_at": "LastRequestAt", "active": "ActiveRequests", "heartbeat": "Heartbeat"}


@dataclass(frozen=True)
class Point:
    """A metric's value in the minute that begins `at`."""

    at: float
    value: float


@dataclass(frozen=True)
class Metrics:
    """What the machine published, in the order of time."""

    last_request_at: Sequence[Point] = ()  # the last moment at which a request came or ended
    active: Sequence[Point] = ()  # queued, running, loading, training, uploads
    heartbeat: Sequence[Point] = ()
    since: float = 0.0  # of what was before that, nothing was asked


def read(cloudwatch: Any, appliance: str, now: float, blind_s: float) -> Metrics:
    """All of the last `blind_s` and a little more, and what is dated in the near future."""
    since = now - blind_s - MARGIN_S
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[_query(appliance, id, name) for id, name in SERIES.items()],
        StartTime=_date(since),
        EndTime=_date(now + 2 * MARGIN_S),
        ScanBy="TimestampAscending",
    )
    points: dict[str, list[Point]] = {id: [] for id in SERIES}
    for result in (result for page in pages for result in page["MetricDataResults"]):
        if result.get("StatusCode") in ("InternalError", "Forbidden"):
            raise Unreadable(f"CloudWatch gave no {SERIES[result['Id']]}: {result['StatusCode']}")
        moments = (moment.timestamp() for moment in result["Timestamps"])
        points[result["Id"]] += map(Point, moments, result["Values"])
    return Metrics(
        **{id: sorted(found, key=lambda point: point.at) for id, found in points.items()}, since=since
    )


def work_s(cloudwatch: Any, appliance: str, since: float, now: float) -> float:
    """How long there was work since then, in whole minutes; in fives where that is over a day ago."""
    period_s = MINUTE_S if now - since <= DAY_S else 5 * MINUTE_S
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[_query(appliance, "active", SERIES["active"], period_s)],
        StartTime=_date(max(since, now - KEPT_S)),
        EndTime=_date(now),
    )
    values = [value for page in pages for result in page["MetricDataResults"] for value in result["Values"]]
    return float(period_s * sum(value > 0 for value in values))


def audio_s(cloudwatch: Any, appliance: str, since: float, now: float) -> float:
    """How many seconds of audio were spoken or heard since then, as far as the machine published them."""
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[_query(appliance, "audio", "AudioSeconds", 5 * MINUTE_S, "Sum")],
        StartTime=_date(max(since, now - KEPT_S)),
        EndTime=_date(now),
    )
    return float(
        sum(value for page in pages for found in page["MetricDataResults"] for value in found["Values"])
    )


def of_this_start(metrics: Metrics, launched_at: float) -> Metrics:
    """A machine that was stopped and started has metrics of its former run, which say nothing of this one."""

    def since(points: Sequence[Point]) -> tuple[Point, ...]:
        # A point's minute begins up to 60 s before what it tells of.
        return tuple(point for point in points if point.at > launched_at - MINUTE_S)

    last_request_at, active = since(metrics.last_request_at), since(metrics.active)
    return Metrics(last_request_at, active, since(metrics.heartbeat), metrics.since)


def _query(
    appliance: str, id: str, name: str, period_s: int = MINUTE_S, statistic: str = "Maximum"
) -> dict[str, Any]:
    dimensions = [{"Name": "Appliance", "Value": appliance}]
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": period_s, "Stat": statistic}}


def _date(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
