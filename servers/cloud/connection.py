"""Clients of boto3 for one appliance, and their faults without a credential in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from servers.errors import MissingExtra
from servers.extras import require
from servers.settings import Settings, SettingsError

EXTRA = "cloud"
CONNECTIONS = 16
CONNECT_S, READ_S, ATTEMPTS = 5.0, 5.0, 2
"""Three quarters of a minute at the most, with the credentials."""


class CloudFailed(Exception):
    """AWS did not do what it was asked. `code` is its own name of the fault, or the exception's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def connect(loaded: Settings, service: str, needed_by: str, *, read_s: float = READ_S) -> Any:
    """boto3's client of a service; asks nobody yet. `needed_by` is the setting that wants it.

    Raises SettingsError where boto3 or the region is missing.
    """
    try:
        require(EXTRA, "boto3")
    except MissingExtra as error:
        raise SettingsError(f"{needed_by}: {error.message}") from None
    failures = import_module("botocore.exceptions")
    config = import_module("botocore.config").Config(
        connect_timeout=CONNECT_S,
        read_timeout=read_s,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
    )
    try:
        return import_module("boto3").client(
            service,
            region_name=loaded.monitor.region or loaded.s3.region,
            endpoint_url=loaded.monitor.endpoint_url,
            config=config,
        )
    except failures.NoRegionError:
        raise SettingsError("monitor.region: it is not set, and neither is AWS_REGION") from None
    except ValueError as error:
        raise SettingsError(f"monitor.endpoint_url: {error}") from None


@contextmanager
def asking() -> Iterator[None]:
    """Raises CloudFailed for what boto3 raises in the block."""
    failures = import_module("botocore.exceptions")
    try:
        yield
    except failures.ClientError as error:
        raise CloudFailed(error.response.get("Error", {}).get("Code", "unknown")) from error
    except (
        failures.BotoCoreError,
        failures.HTTPClientError,
        import_module("boto3.exceptions").Boto3Error,
    ) as error:
        raise CloudFailed(type(error).__name__) from error
