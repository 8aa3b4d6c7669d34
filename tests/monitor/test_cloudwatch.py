"""What CloudWatch is sent, as moto's server has it then, and what is said where it takes nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from servers.cloud.changes import Changes
from servers.monitor import cloudwatch
from servers.monitor.cloudwatch import CloudWatch
from servers.monitor.metric_data import Before, metric_data
from servers.monitor.readings import Door, Engine, Gpu, Readings
from servers.settings import Settings, SettingsError

pytest.importorskip("boto3", reason="needs the extra [cloud]")

SECRET = "the account's secret"
READINGS = Readings(Engine(queued=3, ended=((5.0, 2.0),)), {"tts": Door(9, 1, 0, 77.0)}, Gpu(50.0, 25.0))
Connect = Callable[[int], CloudWatch]


@pytest.fixture
def connected(monkeypatch) -> Connect:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATHEMONITORSKEY00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    def connected(port: int) -> CloudWatch:
        monitor = {"region": "us-east-1", "endpoint_url": f"http://127.0.0.1:{port}"}
        return cloudwatch.connected(Settings(monitor=monitor), Changes())

    return connected


def test_all_that_is_published_is_there(moto_port, connected):
    publisher = connected(moto_port)
    data = metric_data("unit", READINGS, Before({"tts": Door(4, 1)}, 0.0), time.time())
    assert publisher.publish(data)
    found = publisher._client.list_metrics(Namespace="Skylark")["Metrics"]
    of_ours = [each for each in found if {"Name": "Appliance", "Value": "unit"} in each["Dimensions"]]
    assert {each["MetricName"] for each in of_ours} >= {
        *("Heartbeat", "SpotInterruption", "LastRequestAt", "ActiveRequests", "Requests", "Errors"),
        *("Queued", "Running", "Loading", "Training", "Uploads", "GpuUse", "GpuMemoryUsed"),
    }


@pytest.mark.parametrize("code", ["Throttling", "InvalidClientTokenId", "ExpiredToken", "AccessDenied"])
def test_a_refusal_is_logged_once_without_a_credential(moto_port, connected, caplog, code):
    caplog.set_level("INFO", "servers.cloud.changes")
    publisher = connected(moto_port)
    events = publisher._client.meta.events

    def refuse(**_: object) -> tuple[SimpleNamespace, dict]:
        return SimpleNamespace(status_code=403), {"Error": {"Code": code, "Message": SECRET}}

    events.register("before-call", refuse)
    assert [publisher.publish(metric_data("refused", READINGS, Before(), 5.0)) for _ in range(3)] == [
        False
    ] * 3
    events.unregister("before-call", refuse)
    assert publisher.publish(metric_data("refused", READINGS, Before(), time.time()))
    said = [each.getMessage() for each in caplog.records]
    assert said == [
        f"CloudWatch does not take what is published: {code}",
        "CloudWatch takes what is published again",
    ]


def test_a_cloudwatch_that_is_away_is_logged_once(connected, caplog):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    publisher = connected(port)
    assert [publisher.publish(metric_data("away", READINGS, Before(), 5.0)) for _ in range(2)] == [False] * 2
    assert len([each for each in caplog.records if each.name == "servers.cloud.changes"]) == 1


def test_without_credentials_nothing_is_published_and_one_line_says_so(
    connected, caplog, monkeypatch, tmp_path
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it keeps the credentials that it has found
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    publisher = connected(9)
    assert not publisher.publish(metric_data("nobody", READINGS, Before(), 5.0))
    assert caplog.records[-1].getMessage().endswith("NoCredentialsError")


def test_a_region_that_nobody_names_is_said_with_the_setting(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"monitor\.region"):
        cloudwatch.connected(Settings(), Changes())


def test_an_address_that_is_none_is_said_with_the_setting():
    wrong = {"region": "us-east-1", "endpoint_url": "nowhere"}
    with pytest.raises(SettingsError, match=r"monitor\.endpoint_url"):
        cloudwatch.connected(Settings(monitor=wrong), Changes())


def test_without_boto3_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("servers.extras.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"\[cloud\]"):
        cloudwatch.connected(Settings(), Changes())
