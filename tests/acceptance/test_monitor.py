"""What a running appliance publishes, at moto's CloudWatch, and how it ends on a notice of EC2's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.processes import eventually, running_appliance

pytest.importorskip("boto3", reason="needs the extra [cloud]")
pytest.importorskip("moto.server", reason="moto, the CloudWatch of the tests, is not installed")

import boto3

from servers.cloud.table import BOOT, WAITING, Table
from servers.errors import JobNotFound
from tests.buckets.object_store import moto_server
from tests.cloud.fixtures import make_table
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


TABLE, BUCKET, HOLDS = "skylark-speech", "skylark-speech-files", "/skylark/speech/holds"
LONG, SHORT = {"chunks": 400, "pace_s": 0.05}, {"chunks": 4}


@contextmanager
def clients(port: int) -> Iterator[dict]:
    """boto3's, of an account in which the table and the bucket are."""
    found = {
        name: boto3.client(
            name,
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="tester",
            aws_secret_access_key="tester",
        )
        for name in ("dynamodb", "s3", "ssm")
    }
    make_table(found["dynamodb"], TABLE)
    found["s3"].create_bucket(Bucket=BUCKET)
    yield found
    for client in found.values():
        client.close()


def test_the_start_is_told_work_holds_the_machine_and_what_a_notice_cuts_off_is_done_by_the_next():
    with moto_server() as port, running_imds() as imds, clients(port) as aws:
        imds.instance_id = "i-0a1b2c3d4e5f60718"
        table = Table(aws["dynamodb"], TABLE)
        settings = {
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "tester",
            "SKYLARK_MONITOR__APPLIANCE": "speech",
            "SKYLARK_MONITOR__REGION": "us-east-1",
            "SKYLARK_MONITOR__ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "SKYLARK_MONITOR__IMDS_URL": imds.url,
            "SKYLARK_CLOUD__TABLE": TABLE,
            "SKYLARK_CLOUD__BUCKET": BUCKET,
            "SKYLARK_CLOUD__HOLD_PARAMETER": HOLDS,
            "SKYLARK_ENGINE__DRAIN_S": "1",
        }
        with running_appliance(**settings) as appliance:
            eventually(lambda: any("audio_at" in item for item in table.items(BOOT)), "it has spoken")
            (told,) = table.items(BOOT)
            assert told["id"] == imds.instance_id
            assert told["model_at"] <= told["audio_at"]

            def holds() -> list[dict]:
                found = aws["ssm"].get_parameters_by_path(Path=HOLDS)["Parameters"]
                return [json.loads(each["Value"]) for each in found if each["Name"] == f"{HOLDS}/machine"]

            eventually(holds, "the machine holds itself for what it spoke")
            jobs = [
                {
                    "model_type": "fake",
                    "priority": n,
                    "batch_key": "",
                    "payload": {"text": f"{n}", "level": n + 1, **(SHORT if n else LONG)},
                }
                for n in range(6)
            ]
            ids = appliance.jobs.submit(jobs, owner="alice")
            eventually(lambda: appliance.jobs.get(ids[0])["status"] == "running", "the first one runs")
            imds.notice = True
            assert appliance.wait() == 0
        items = {item["id"]: item for item in table.items(WAITING)}
        assert items.keys() == set(ids)
        assert {item["owner"] for item in items.values()} == {"alice"}
        imds.notice = False
        imds.instance_id = "i-0f1e2d3c4b5a69788"
        with running_appliance(**settings) as appliance:

            def status(id: str) -> str:
                try:
                    return appliance.jobs.get(id)["status"]
                except JobNotFound:
                    return "not there yet"

            eventually(lambda: status(ids[0]) == "running", "what was cut off begins anew")
            appliance.jobs.cancel(ids[0])
            for n, id in enumerate(ids[1:], 2):
                eventually(lambda id=id: status(id) == "done", "the next machine does it under its old name")
                with appliance.jobs.audio(id) as audio:
                    assert set(b"".join(audio.chunks)[::2]) == {n}
            eventually(lambda: not list(table.items(WAITING)), "nothing waits any more")
