"""The dashboard, drawn: each widget has its place, and each metric is really published."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from tests.infra.existing import is_there
from tests.infra.picture import Metric, Widget, svg, widgets
from tests.infra.published import published

WANTED = {
    "GpuUse", "GpuMemoryUsed", "Queued", "Running", "TargetResponseTime", "SecondsPerSegment",
    "CostToday", "CostMonth", "SavedMonth", "RunningSeconds", "Requests", "Errors",
}  # fmt: skip
"""What people asked to see."""


@pytest.fixture(scope="module", params=["speech", "batch"])
def appliance(request) -> str:
    return request.param


@pytest.fixture
def shown(applied, appliance) -> list[Widget]:
    name = f"skylark-{appliance}"
    return widgets(applied.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])


def known(applied, appliance: str, metric: Metric) -> bool:
    namespace, name, dimensions = metric
    own = (namespace, name, frozenset(dimensions.items())) in published(appliance)
    return own or is_there(applied, namespace, name, dimensions)


def test_each_metric_of_each_widget_is_really_published(applied, appliance, shown):
    asked = [metric for widget in shown for metric in widget.metrics]
    assert asked
    assert [metric for metric in asked if not known(applied, appliance, metric)] == []
    assert {name for _, name, _ in asked} >= WANTED


def test_the_widgets_fill_rows_and_none_is_over_another(shown):
    cells = [cell for widget in shown for cell in widget.cells()]
    assert len(cells) == len({*cells})
    assert {x for x, _ in cells} == {*range(24)}
    height = 1 + max(y for _, y in cells)
    assert len(cells) == 24 * height


def test_its_alarms_and_logs_are_there(applied, appliance, shown):
    (alarms,) = (widget.others for widget in shown if widget.kind == "alarm")
    pages = applied.client("cloudwatch").get_paginator("describe_alarms").paginate()
    there = {alarm["AlarmArn"] for page in pages for alarm in page["MetricAlarms"]}
    assert {*alarms} == {arn for arn in there if f":skylark-{appliance}-" in arn}
    (query,) = (widget.others[0] for widget in shown if widget.kind == "log")
    sources = re.findall(r"SOURCE '([^']+)'", query)
    groups = applied.client("logs").describe_log_groups()["logGroups"]
    assert sources
    assert {*sources} <= {group["logGroupName"] for group in groups}


def test_it_is_drawn_with_all_that_it_shows(applied, appliance, shown, tmp_path):
    picture = tmp_path / "dashboard.svg"
    picture.write_text(svg(shown, lambda metric: known(applied, appliance, metric)))
    texts = [text.text for text in ET.parse(picture).getroot().iter("{http://www.w3.org/2000/svg}text")]
    for widget in shown:
        assert f"{widget.title} ({widget.kind})" in texts
        for namespace, name, _ in widget.metrics:
            assert f"{namespace} {name}" in texts
    assert "#c0392b" not in picture.read_text()


def test_what_nobody_publishes_is_drawn_red():
    row = ["Skylark", "GpuTemperature", "Appliance", "speech"]
    place = {"x": 0, "y": 0, "width": 12, "height": 6, "type": "metric"}
    body = {"widgets": [place | {"properties": {"title": "GPU", "metrics": [row]}}]}
    (widget,) = widgets(json.dumps(body))
    names = {name for _, name, _ in published("speech")}
    assert "#c0392b" in svg([widget], lambda metric: metric[1] in names)
