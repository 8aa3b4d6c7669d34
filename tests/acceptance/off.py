"""An appliance that is off: what of it is in AWS (moto's server), and its reception, as the load balancer
calls it and a client sees it.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import boto3
import requests

from reception.handler import KEPT, handler
from servers.cloud.table import ENDED, WAITING, Table
from tests.acceptance.processes import Session, eventually
from tests.buckets.object_store import moto_server
from tests.cloud.fixtures import make_table
from tests.lambda_.reception.door import Answer, event

TABLE, BUCKET, KEYS, REGION = (
    "skylark-speech",
    "skylark-speech-files",
    "/skylark/speech/api_keys",
    "us-east-1",
)
OWNERS = {"maria": "maria's long secret", "bob": "bob's long secret"}
HASHES = ",".join(f"{name}:{sha256(secret.encode()).hexdigest()}" for name, secret in OWNERS.items())
DONE_S = 120.0


@dataclass
class Off:
    port: int
    aws: Mapping[str, Any]
    """boto3's clients."""
    http: Session

    @property
    def account(self) -> dict[str, str]:
        """The environment by which AWS is reached: a function's, and a machine's."""
        return {
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "tester",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    @property
    def function(self) -> dict[str, str]:
        """The environment of the functions."""
        arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/skylark-speech-reception/0"
        return self.account | {
            "APPLIANCE": "speech",
            "INSTANCE_ID": "i-0123456789abcdef0",
            "HOLD_PARAMETER": "/skylark/speech/holds",
            "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:skylark-speech",
            "TABLE_NAME": TABLE,
            "BUCKET": BUCKET,
            "KEYS_PARAMETER": KEYS,
            "RELEASE_PARAMETER": "/skylark/speech/release",
            "ROUTES": "[]",
            "RECEPTION_TARGET_GROUP": arn,
            "START_FUNCTION": "skylark-speech-start",
        }

    @property
    def machine(self) -> dict[str, str]:
        """The settings of a machine that takes the work in, and what its doors know of the clients."""
        return self.account | {
            "SKYLARK_API_KEYS": HASHES,
            "SKYLARK_CLOUD__TABLE": TABLE,
            "SKYLARK_CLOUD__BUCKET": BUCKET,
            "SKYLARK_CLOUD__INSTANCE_ID": "i-0123456789abcdef0",
            "SKYLARK_MONITOR__REGION": REGION,
        }

    def ask(
        self, method: str, path: str, body: object = None, owner: str = "maria", **headers: str
    ) -> Answer:
        """`body` is JSON unless it is bytes; in headers `_` stands for `-`."""
        with patch.dict(os.environ, self.function), redirect_stdout(io.StringIO()):  # its log
            answer = handler(event(method, path, body, OWNERS[owner], headers), None)
        return Answer(
            answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, answer["headers"]
        )

    def accept(self, path: str, body: object, owner: str = "maria", **headers: str) -> str:
        """The id of the work."""
        answer = self.ask("POST", path, body, owner, Prefer="respond-async", **headers)
        assert answer.status == 202, answer.body
        return str(answer.body["id"])

    def status(self, id: str, owner: str = "maria") -> dict[str, Any]:
        answer = self.ask("GET", f"/accepted/{id}", owner=owner)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def ended(self, id: str, owner: str = "maria") -> dict[str, Any]:
        """What a client is told, once it has."""
        told: list[dict[str, Any]] = []

        def has_ended() -> bool:
            told.append(self.status(id, owner))
            return told[-1]["status"] in ("done", "failed")

        eventually(has_ended, f"work {id} has ended", DONE_S)
        return told[-1]

    def fetch(self, url: str) -> requests.Response:
        """By whoever has the address."""
        reply = self.http.get(url)
        assert reply.status_code == 200, reply.text
        return reply

    @property
    def table(self) -> Table:
        return Table(self.aws["dynamodb"], TABLE)

    def items(self, kind: str) -> dict[str, dict[str, Any]]:
        return {item["id"]: item for item in self.table.items(kind)}

    def waits(self) -> int:
        return len(self.items(WAITING))

    def has_ended(self) -> dict[str, dict[str, Any]]:
        return self.items(ENDED)


@contextmanager
def off() -> Iterator[Off]:
    with moto_server() as port, Session() as http:
        url = f"http://127.0.0.1:{port}"
        made = Off(port, {name: _client(name, url) for name in ("dynamodb", "s3", "ssm")}, http)
        make_table(made.aws["dynamodb"], TABLE)
        made.aws["s3"].create_bucket(Bucket=BUCKET)
        made.aws["ssm"].put_parameter(Name=KEYS, Value=HASHES, Type="SecureString")
        KEPT.clear()  # of another AWS, whose parameter was called the same
        yield made
        for client in made.aws.values():
            client.close()


def _client(name: str, url: str) -> Any:
    keys = {"aws_access_key_id": "tester", "aws_secret_access_key": "tester"}
    return boto3.client(name, region_name=REGION, endpoint_url=url, **keys)
