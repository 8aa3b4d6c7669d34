"""The appliance's functions, called in this process as AWS calls them: JSON in, JSON out, a context."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

Handler = Callable[[Any, Any], Any]
TIMEOUT_S = 30.0
LARGEST_EVENT_BYTES = 6 * 1024 * 1024
log = logging.getLogger(__name__)


class NoFunction(Exception):
    """Nobody gave a handler of that name."""


@dataclass
class Context:
    """What a handler is told of its call."""

    function_name: str
    timeout_s: float = TIMEOUT_S
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _begun: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round(1000 * (self.timeout_s - (time.monotonic() - self._begun))))


class Functions:
    """Handlers by their function's name. Close it after use: it waits for what was called without waiting."""

    def __init__(self, handlers: Mapping[str, Handler], *, timeout_s: float = TIMEOUT_S) -> None:
        self.handlers = dict(handlers)
        self.failures: list[Exception] = []
        """Of those that nobody waited for, and of those that the balancer made a 502 of."""
        self._timeout_s = timeout_s
        self._threads: list[threading.Thread] = []

    def close(self) -> None:
        for thread in self._threads:
            thread.join(self._timeout_s)

    def call(self, name: str, event: Any) -> Any:
        """`name` may be an ARN. Raises what the handler raises, and TypeError for what is not JSON."""
        handler = self._handler(name)
        answer = handler(json.loads(json.dumps(event)), Context(_plain(name), self._timeout_s))
        return json.loads(json.dumps(answer))

    def begin(self, name: str, event: Any) -> None:
        """As an Event: nobody waits, and a failure is kept."""
        self._handler(name)
        thread = threading.Thread(target=self._try, args=(name, event), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _try(self, name: str, event: Any) -> None:
        try:
            self.call(name, event)
        except Exception as failure:
            log.exception("%s failed", name)
            self.failures.append(failure)

    def _handler(self, name: str) -> Handler:
        found = self.handlers.get(_plain(name))
        if found is None:
            raise NoFunction(f"{name} has no handler here; there are {', '.join(self.handlers)}")
        return found

    def serve_invocations(self, events: Any) -> None:
        """Lambda's Invoke comes here. `events` is a client's `meta.events` or a botocore session's own, which
        then holds for the clients that it makes from there on.
        """
        events.register("before-call.lambda.Invoke", self._invoked)

    def _invoked(self, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        name = params["url_path"].split("/functions/")[1].split("/invocations")[0]
        body = params.get("body") or b"{}"
        event = json.loads(body if isinstance(body, (bytes, str)) else body.read())
        if params["headers"].get("X-Amz-Invocation-Type") == "Event":
            self.begin(name, event)
            return SimpleNamespace(status_code=202), {"StatusCode": 202, "ResponseMetadata": {}}
        answer = json.dumps(self.call(name, event)).encode()
        payload = SimpleNamespace(read=lambda: answer, close=lambda: None)
        return SimpleNamespace(status_code=200), {
            "StatusCode": 200, "Payload": payload, "ResponseMetadata": {},
        }  # fmt: skip


def _plain(name: str) -> str:
    """The name in an ARN, and without a version; in a URL the colons are quoted."""
    unquoted = name.replace("%3A", ":")
    return unquoted.split(":function:")[-1].split(":")[0]
