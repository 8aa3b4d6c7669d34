"""boto3's clients, of which a warm function keeps those that it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

PATIENCE = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
SIGNED = PATIENCE.merge(Config(signature_version="s3v4"))
"""Of S3: an address that is given away says by this how many bytes may be put there, in every region."""
REGIONAL = SIGNED.merge(Config(s3={"addressing_style": "virtual"}))
"""The same at AWS: by its default an address names the host of all regions, which does not know a bucket of
another region in its first hours, and redirects.
"""
WHERE = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")


def clients(variables: Mapping[str, str]) -> Callable[[str], Any]:
    """What gives the client of a service, for the region and the endpoint that the environment names."""
    where = tuple(variables.get(name, "") for name in WHERE)
    return lambda service: _client(service, where)


@cache
def _client(service: str, where: tuple[str, ...]) -> Any:
    return boto3.client(service, config=_config(service, where[-1]))


def _config(service: str, endpoint: str) -> Config:
    if service != "s3":
        return PATIENCE
    return SIGNED if endpoint else REGIONAL
