from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from servers.cloud.connection import connect
from servers.cloud.table import Table
from servers.settings import Settings
from tests.buckets import fixtures

pytest.importorskip("boto3", reason="needs the extra [cloud]")

moto_port = fixtures.moto_port


@pytest.fixture
def table(moto_port, monkeypatch) -> Iterator[Table]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monitor = {"region": "us-east-1", "endpoint_url": f"http://127.0.0.1:{moto_port}"}
    client = connect(Settings(monitor=monitor), "dynamodb", "cloud.table")
    name = f"skylark-{uuid.uuid4().hex}"
    keys = {"kind": "HASH", "id": "RANGE"}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": type} for key, type in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
    )
    yield Table(client, name)
    client.delete_table(TableName=name)
    client.close()
