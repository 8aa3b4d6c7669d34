"""The appliance's bucket: `accepted/` has the files of accepted work, `voices/` cloned voices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from servers.cloud.connection import asking

PREFIX = "accepted"


class Bucket:
    """`client` is boto3's of S3. Every method raises CloudFailed, and OSError for a file of this machine."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def put_json(self, key: str, value: Mapping[str, Any]) -> int:
        """How many bytes it has."""
        body = json.dumps(value).encode()
        with asking():
            self._client.put_object(Bucket=self._name, Key=key, Body=body, ContentType="application/json")
        return len(body)

    def get_json(self, key: str) -> dict[str, Any]:
        with asking():
            found: dict[str, Any] = json.loads(
                self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
            )
        return found

    def put_file(self, key: str, file: Path) -> None:
        with asking():
            self._client.upload_file(str(file), self._name, key)

    def fetch(self, key: str, file: BinaryIO) -> None:
        with asking():
            self._client.download_fileobj(self._name, key, file)

    def keys(self, prefix: str) -> list[str]:
        """All that begin so, in their order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        with asking():
            return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def delete(self, key: str) -> None:
        with asking():
            self._client.delete_object(Bucket=self._name, Key=key)
