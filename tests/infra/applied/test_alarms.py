"""Each alarm can be told, is about a metric that is really published, and is quiet where nothing is wrong."""

from __future__ import annotations

import re

import pytest

from servers.settings import ROOT
from tests.infra.alarm_math import Values, is_told, key
from tests.infra.existing import is_there
from tests.infra.published import published

HOUR = 60
NOTHING: Values = [None] * HOUR
FUNCTIONS = ("auto-stop", "start", "reception")


@pytest.fixture(scope="module")
def alarms(applied) -> dict[str, dict]:
    pages = applied.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix="skylark-")
    return {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}


def test_each_is_about_a_metric_that_is_published(alarms, applied):
    for name, alarm in alarms.items():
        for each in (each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each):
            dimensions = frozenset((one["Name"], one["Value"]) for one in each["Dimensions"])
            appliance = name.split("-")[1]
            own = (each["Namespace"], each["MetricName"], dimensions) in published(appliance)
            assert own or is_there(applied, each["Namespace"], each["MetricName"], dict(dimensions)), name


def test_each_tells_people_and_says_what_it_means_and_what_no_data_means(alarms, applied):
    for name, alarm in alarms.items():
        topic = (applied.speech if "-speech-" in name else applied.batch)["topic_arn"]
        assert alarm["AlarmActions"] == [topic], name
        assert alarm["TreatMissingData"] in ("notBreaching", "breaching"), name
        assert alarm["AlarmDescription"].endswith((".", "gpu status", "gpu ledger", "'", "start-gpu")) or (
            "/aws/lambda/" in alarm["AlarmDescription"]
        ), name


def test_none_looks_longer_than_cloudwatch_does(alarms):
    for name, alarm in alarms.items():
        period_s = max(each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each)
        assert period_s * alarm["EvaluationPeriods"] <= 86_400, name


def test_the_runbook_says_what_to_do_about_each(alarms):
    told = (ROOT / "infra" / "README.md").read_text().partition("### What to do about an alarm")[2]
    rows = [line.split("|")[1] for line in told.partition("###")[0].splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == {
        name.split("-", 2)[2] for name in alarms
    }


# What is published in an hour, by the name of the metric, and of whom.

GROUPS = ("tts-blue", "tts-green", "whisperx-blue", "whisperx-green")
CALLED = {("Invocations", name): [1.0] * HOUR for name in FUNCTIONS}
OFF = (
    CALLED
    | {("HealthyHostCount", group): [0.0] * HOUR for group in GROUPS}
    | {("RunningSeconds", ""): [0.0] * HOUR}
)
WORKS = OFF | {
    ("Heartbeat", ""): [1.0] * HOUR,
    ("ActiveRequests", ""): [2.0] * HOUR,
    ("Requests", ""): [30.0] * HOUR,
    ("Errors", ""): [1.0] * HOUR,
    ("GpuMemoryUsed", ""): [85.0] * HOUR,
    ("SpotInterruption", ""): [0.0] * HOUR,
    ("StatusCheckFailed", ""): [0.0] * HOUR,
    ("HealthyHostCount", "tts-green"): [1.0] * HOUR,
    ("HealthyHostCount", "whisperx-green"): [1.0] * HOUR,
    ("RunningSeconds", ""): [60.0 * minute for minute in range(HOUR)],
    ("CostMonth", ""): [20.0] * HOUR,
}
STARTS = (
    WORKS
    | {  # it boots for five minutes, and loads its models for ten
        name: [None] * (HOUR - 15) + [None] * 5 + values[:10]
        for name, values in WORKS.items()
        if name[0]
        in ("Heartbeat", "ActiveRequests", "Requests", "Errors", "GpuMemoryUsed", "SpotInterruption")
    }
    | {("HealthyHostCount", group): [0.0] * HOUR for group in GROUPS}
)


def then(name: tuple[str, str], value: float | None, minutes: int, before: dict = WORKS) -> dict:
    """The same, but for the last minutes of one metric."""
    return before | {name: [*before.get(name, NOTHING)[:-minutes], *[value] * minutes]}


TOLD = {
    "off": (OFF, set()),
    "works": (WORKS, set()),
    "starts": (STARTS, set()),
    "the GPU is full": (then(("GpuMemoryUsed", ""), 96.0, 10), {"gpu-memory"}),
    "the GPU was full for a moment": (then(("GpuMemoryUsed", ""), 96.0, 5), set()),
    "errors": (then(("Errors", ""), 3.0, 10), {"error-rate"}),
    "one error at night": (then(("Requests", ""), 1.0, 60, then(("Errors", ""), 1.0, 60)), set()),
    "EC2 does not reach it": (then(("StatusCheckFailed", ""), 1.0, 5), {"unreachable"}),
    "nobody serves speech": (then(("HealthyHostCount", "tts-green"), 0.0, 20), {"no-healthy-target"}),
    "nobody serves transcripts": (
        then(("HealthyHostCount", "whisperx-green"), 0.0, 20),
        {"no-healthy-target"},
    ),
    "the other place serves": (
        then(("HealthyHostCount", "tts-blue"), 1.0, 30, then(("HealthyHostCount", "tts-green"), 0.0, 30)),
        set(),
    ),
    "the publisher is blind": (then(("ActiveRequests", ""), None, 15), {"blind-publisher"}),
    "the publisher is blind, and the newest minutes are not there yet": (
        then(("Heartbeat", ""), None, 3, then(("ActiveRequests", ""), None, 15)),
        {"blind-publisher"},
    ),
    "nobody serves, and the newest minutes are not there yet": (
        then(("Heartbeat", ""), None, 3, then(("HealthyHostCount", "tts-green"), 0.0, 20)),
        {"no-healthy-target"},
    ),
    "the publisher was blind for a moment": (then(("ActiveRequests", ""), None, 5), set()),
    "it runs for long": (then(("RunningSeconds", ""), 43_260.0, 5), {"runs-long"}),
    "over the budget": (then(("CostMonth", ""), 50.5, 60), {"over-budget"}),
    "a call was given up": (then(("ApproximateNumberOfMessagesVisible", ""), 1.0, 5, OFF), {"failed-calls"}),
    "auto_stop does not run": (then(("Invocations", "auto-stop"), None, 15), {"auto-stop-silent"}),
    "start does not run": (then(("Invocations", "start"), None, 15, OFF), {"start-silent"}),
    "nobody asks the reception": (then(("Invocations", "reception"), None, 60), set()),
} | {
    f"{name} {what}": (then((metric, name), 1.0, 15, OFF), {f"{name}-{what}"})
    for name in FUNCTIONS
    for metric, what in (("Errors", "fails"), ("Throttles", "throttled"))
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_told_of(alarms, case):
    series, expected = TOLD[case]
    told = {
        name.removeprefix("skylark-speech-")
        for name, alarm in alarms.items()
        if name.startswith("skylark-speech-") and is_told(alarm, _named(alarm, series))
    }
    assert told == expected


def test_an_interruption_is_told_where_there_are_some(alarms):
    assert "skylark-speech-spot-interruption" not in alarms
    alarm = alarms["skylark-batch-spot-interruption"]
    assert is_told(alarm, _named(alarm, then(("SpotInterruption", ""), 1.0, 1)))
    assert not is_told(alarm, _named(alarm, WORKS))


def test_each_alarm_is_told_in_some_case(alarms):
    names = {name.removeprefix("skylark-speech-") for name in alarms if name.startswith("skylark-speech-")}
    assert set().union(*(expected for _, expected in TOLD.values())) == names


def _named(alarm: dict, series: dict) -> dict:
    """With the dimensions that the alarm has: a function's name, a target group's service and place."""
    found = {}
    for metric in (each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each):
        name, of = key(metric)
        short = next((one for one in (*GROUPS, *FUNCTIONS) if f"-{one}" in of), "")
        found[name, of] = series.get((name, short), NOTHING)
    return found
