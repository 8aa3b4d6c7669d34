"""CloudWatch, over boto3: its faults are logged once, and no credential is in any line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed, asking, connect
from servers.monitor.metric_data import NAMESPACE, Datum
from servers.settings import Settings

NEEDED_BY = "monitor.appliance"


class CloudWatch:
    """`client` is boto3's."""

    def __init__(self, client: Any, changes: Changes) -> None:
        self._client, self._changes = client, changes

    def publish(self, data: Sequence[Datum]) -> bool:
        """Whether it was taken; what it was not for is logged once."""
        try:
            with asking():
                self._client.put_metric_data(Namespace=NAMESPACE, MetricData=list(data))
        except CloudFailed as fault:
            self._changes.fault("cloudwatch", f"CloudWatch does not take what is published: {fault.code}")
            return False
        self._changes.well("cloudwatch", "CloudWatch takes what is published again")
        return True


def connected(loaded: Settings, changes: Changes) -> CloudWatch:
    """Asks nobody yet. Raises SettingsError where boto3 or the region is missing."""
    return CloudWatch(connect(loaded, "cloudwatch", NEEDED_BY), changes)
