"""Reception as a client of the load balancer sees it, in moto's AWS."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from appliance.appliance import Appliance
from appliance.exchange import read
from appliance.keys import Keys
from reception.handler import Reception
from tests.lambda_.cloud import KEYS, NAME, OWNER, SECRET, Cloud

OTHERS_SECRET, OTHER = "another long secret", "bob"
SPEAK = {"text": "Good morning, and welcome."}


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass
class Door:
    aws: Cloud
    started: list[dict[str, Any]] = field(default_factory=list)
    """What the function that starts the machine was asked."""
    before_start: Callable[[], object] = lambda: None
    after_start: Callable[[dict[str, Any]], object] = lambda _: None
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        hashes = {OWNER: SECRET, OTHER: OTHERS_SECRET}
        pairs = (f"{name}:{sha256(secret.encode()).hexdigest()}" for name, secret in hashes.items())
        self.aws.write_parameter(KEYS, ",".join(pairs), "SecureString")
        self.keys = Keys(KEYS, lambda: self.aws.now)

    def client(self, service: str) -> Any:
        """moto's Lambda would need a container to call a function."""
        return Functions(self) if service == "lambda" else self.aws.client(service)

    def reception(self) -> Reception:
        """A function that has just begun."""
        appliance = Appliance(self.aws.settings(), self.client)
        return Reception(appliance, self.keys, lambda: self.aws.now, self.new_id)

    def new_id(self) -> str:
        return f"{next(self.numbers):032x}"

    def ask(
        self, method: str, path: str, body: object = None, *, secret: str = SECRET, **headers: str
    ) -> Answer:
        """`body` is JSON unless it is bytes; in headers `_` stands for `-`."""
        answer = self.reception().answer(read(event(method, path, body, secret, headers)))
        body = json.loads(answer["body"]) if answer["body"] else None
        return Answer(answer["statusCode"], body, answer["headers"])

    def later(self, body: object = SPEAK, path: str = "/v1/tts", **headers: str) -> Answer:
        return self.ask("POST", path, body, Prefer="respond-async", **headers)

    def objects(self) -> dict[str, bytes]:
        s3 = self.aws.outside("s3")
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=NAME).get("Contents", [])]
        return {key: s3.get_object(Bucket=NAME, Key=key)["Body"].read() for key in keys}

    def items(self, kind: str = "waiting") -> dict[str, dict[str, Any]]:
        return {item["id"]: item for item in self.aws.table().all(kind)}

    def end(self, id: str, **values: Any) -> None:
        """As the machine does."""
        item = self.items()[id] | {"kind": "ended"} | values
        self.aws.table().put(item)
        self.aws.table().delete("waiting", id)


def event(
    method: str, path: str, body: object = None, secret: str = SECRET, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """As an ALB makes it."""
    kind = {} if body is None or isinstance(body, bytes) else {"content-type": "application/json"}
    named = {name.replace("_", "-").lower(): value for name, value in (headers or {}).items()}
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    target, _, query = path.partition("?")
    return {
        "httpMethod": method,
        "path": target,
        "queryStringParameters": dict(pair.split("=", 1) for pair in query.split("&")) if query else {},
        "headers": kind | ({"x-api-key": secret} if secret else {}) | named,
        "body": base64.b64encode(data).decode(),
        "isBase64Encoded": True,
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:reception"}},
    }


@dataclass
class Functions:
    """Lambda's face, as far as it is asked."""

    door: Door

    def invoke(self, **asked: Any) -> None:
        self.door.aws.called.append("lambda.Invoke")
        self.door.before_start()
        told = json.loads(asked.pop("Payload"))
        self.door.started.append(told | asked)
        self.door.after_start(told)
