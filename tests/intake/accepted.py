"""Accepted work in moto's table and bucket, as the reception leaves it there."""

from __future__ import annotations

import itertools
import json
from typing import Any, Self

from servers.cloud.table import ENDED, WAITING, Table, to_attribute
from servers.handover.bucket import Bucket
from servers.intake.leases import Leases
from servers.intake.objects import Objects
from servers.intake.work import Work
from tests.cloud.fixtures import client

NOW = 1_764_000_000.0
HERE, ELSEWHERE = "i-1/here", "i-2/elsewhere"


class Accepted:
    def __init__(self, port: int, table: Table, bucket: Bucket) -> None:
        self.dynamodb, self.s3 = client(port, "dynamodb"), client(port, "s3")
        self.table, self.bucket = table, bucket
        self.table_name, self.bucket_name = table._name, bucket._name
        self.leases = Leases(self.dynamodb, self.table_name, HERE)
        self.objects = Objects(self.s3, self.bucket_name)
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dynamodb.close()
        self.s3.close()

    def elsewhere(self) -> Leases:
        """Of another machine."""
        return Leases(self.dynamodb, self.table_name, ELSEWHERE)

    def accept(self, path: str = "/v1/tts", body: object = b"", **values: Any) -> str:
        """Its id, from 1 on. `body` is JSON unless it is bytes."""
        id = f"{next(self._numbers):032}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.s3.put_object(Bucket=self.bucket_name, Key=f"accepted/{id}", Body=data)
        item = {
            "work": "request",
            "status": "waiting",
            "owner": "alice",
            "method": "POST",
            "path": path,
            "headers": {"content-type": "application/json"},
            "body_key": f"accepted/{id}",
            "bytes": len(data),
            "priority": 10,
            "accepted_at": NOW - 1000 + int(id),
        }
        self.change(id, **item | values)
        return id

    def change(self, id: str, **values: Any) -> None:
        self.table.put(WAITING, id, values)

    def withdraw(self, id: str) -> None:
        key = {"kind": to_attribute(WAITING), "id": to_attribute(id)}
        self.dynamodb.delete_item(TableName=self.table_name, Key=key)

    def waiting(self) -> dict[str, dict[str, Any]]:
        return {item["id"]: item for item in self.table.items(WAITING)}

    def ended(self) -> dict[str, dict[str, Any]]:
        return {item["id"]: item for item in self.table.items(ENDED)}

    def work(self, id: str) -> Work:
        return Work.of(self.waiting()[id])

    def taken(self, id: str, now: float = NOW) -> Work:
        """It, in the hands of this machine."""
        taken = self.leases.take(self.work(id), now)
        assert taken is not None
        return taken

    def keys(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket_name, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in found]

    def result(self, id: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket_name, Key=f"results/{id}")["Body"].read()
