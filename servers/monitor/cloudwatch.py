"""CloudWatch, over boto3: its faults are logged once, and no credential is in any line."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from servers.errors import MissingExtra
from servers.extras import require
from servers.monitor.changes import Changes
from servers.monitor.metric_data import NAMESPACE, Datum
from servers.settings import Settings, SettingsError

EXTRA = "monitor"
CONNECT_S, READ_S, ATTEMPTS = 5.0, 5.0, 2
"""Three quarters of a minute at the most, with the credentials."""


class CloudWatch:
    """`client` is boto3's."""

    def __init__(self, client: Any, changes: Changes) -> None:
        self._client, self._changes = client, changes

    def publish(self, data: Sequence[Datum]) -> bool:
        """Whether it was taken; what it was not for is logged once."""
        failures = import_module("botocore.exceptions")
        try:
            self._client.put_metric_data(Namespace=NAMESPACE, MetricData=list(data))
        except failures.ClientError as error:
            self._fault(error.response.get("Error", {}).get("Code", "unknown"))
            return False
        except (failures.BotoCoreError, failures.HTTPClientError) as error:
            self._fault(type(error).__name__)
            return False
        self._changes.well("cloudwatch", "CloudWatch takes what is published again")
        return True

    def _fault(self, why: str) -> None:
        self._changes.fault("cloudwatch", f"CloudWatch does not take what is published: {why}")


def connect(loaded: Settings, changes: Changes) -> CloudWatch:
    """Asks nobody yet. Raises SettingsError where boto3 or the region is missing."""
    try:
        require(EXTRA, "boto3")
    except MissingExtra as error:
        raise SettingsError(f"monitor.appliance: {error.message}") from None
    failures = import_module("botocore.exceptions")
    config = import_module("botocore.config").Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        max_pool_connections=1,
    )
    try:
        client = import_module("boto3").client(
            "cloudwatch",
            region_name=loaded.monitor.region or loaded.s3.region,
            endpoint_url=loaded.monitor.endpoint_url,
            config=config,
        )
    except failures.NoRegionError:
        raise SettingsError("monitor.region: it is not set, and neither is AWS_REGION") from None
    except ValueError as error:
        raise SettingsError(f"monitor.endpoint_url: {error}") from None
    return CloudWatch(client, changes)
