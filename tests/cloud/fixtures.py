"""Fixtures of what an appliance has in AWS: its table and its bucket, of moto's server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from servers.cloud.connection import connect
from servers.cloud.table import Table
from servers.handover.bucket import Bucket
from servers.settings import Settings
from tests.buckets import fixtures

moto_port = fixtures.moto_port


@pytest.fixture
def credentials(monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def client(port: int, service: str) -> Any:
    monitor = {"region": "us-east-1", "endpoint_url": f"http://127.0.0.1:{port}"}
    return connect(Settings(monitor=monitor), service, "cloud.table")


def make_table(dynamodb: Any, name: str) -> None:
    """As infra/ makes it."""
    keys = {"kind": "HASH", "id": "RANGE"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": type} for key, type in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
    )


@pytest.fixture
def table(moto_port: int, credentials: None) -> Iterator[Table]:
    dynamodb = client(moto_port, "dynamodb")
    name = f"skylark-{uuid.uuid4().hex}"
    make_table(dynamodb, name)
    yield Table(dynamodb, name)
    dynamodb.delete_table(TableName=name)
    dynamodb.close()


@pytest.fixture
def bucket(moto_port: int, credentials: None) -> Iterator[Bucket]:
    s3 = client(moto_port, "s3")
    name = f"skylark-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    yield Bucket(s3, name)
    s3.close()
