"""What a running appliance publishes, at moto's CloudWatch, and how it ends on a notice of EC2's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.processes import eventually, running_appliance

pytest.importorskip("boto3", reason="needs the extra [cloud]")
pytest.importorskip("moto.server", reason="moto, the CloudWatch of the tests, is not installed")

import boto3

from tests.buckets.object_store import moto_server
from tests.monitor.imds import running_imds


def test_a_request_changes_what_is_published_and_a_notice_stops_everything():
    with moto_server() as port, running_imds() as imds:
        url = f"http://127.0.0.1:{port}"
        account = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tester"}
        monitor = {
            "SKYLARK_MONITOR__APPLIANCE": "speech",
            "SKYLARK_MONITOR__REGION": "us-east-1",
            "SKYLARK_MONITOR__ENDPOINT_URL": url,
            "SKYLARK_MONITOR__IMDS_URL": imds.url,
            "SKYLARK_MONITOR__PERIOD_S": "1",
        }
        cloudwatch = boto3.client(
            "cloudwatch",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="tester",
            aws_secret_access_key="tester",
        )

        def most(name: str) -> float | None:
            now = datetime.now(UTC)
            found = cloudwatch.get_metric_statistics(
                Namespace="Skylark",
                MetricName=name,
                Dimensions=[{"Name": "Appliance", "Value": "speech"}],
                StartTime=now - timedelta(hours=1),
                EndTime=now + timedelta(hours=1),
                Period=60,
                Statistics=["Maximum"],
            )["Datapoints"]
            return max((each["Maximum"] for each in found), default=None)

        with running_appliance(**account, **monitor) as appliance:
            eventually(lambda: most("ActiveRequests") == 0, "an idle appliance is published")
            assert most("Heartbeat") == 1
            assert most("LastRequestAt") == 0
            asked_at = datetime.now(UTC).timestamp()
            reply = appliance.post("tts", "/generate_batch", json={"texts": ["Hello."]})
            assert reply.status_code == 200, reply.text
            eventually(lambda: (most("LastRequestAt") or 0) >= asked_at, "the request is published")
            eventually(lambda: most("Requests") == 1, "it is counted once")
            assert most("Errors") == 0
            imds.notice = True
            assert appliance.wait() == 0
            assert most("SpotInterruption") == 1
