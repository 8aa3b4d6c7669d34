"""Which streaming workers there are, as they say in Redis, and which of them a client should ask.

A library for clients: it needs the package redis, and nothing else of a server.

    from servers.rpc.workers import listed, pick

    worker = pick(listed("redis://localhost:6379"), "piper/voices")
    channel = grpc.insecure_channel(worker.address)
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from servers.errors import EngineUnavailable, RegistryUnavailable, TooManySessions, UnknownModel
from servers.extras import require

if TYPE_CHECKING:
    from redis import Redis

PREFIX = "worker:"
TIMEOUT_S = 2.0
RETRY_AFTER_S = 2.0
log = logging.getLogger(__name__)

Status = Literal["ready", "not_ready", "draining"]


class Published(BaseModel):
    """What is in Redis may be another version's: keys that this one does not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Capabilities(Published):
    """What a worker's clients can count on."""

    streaming: bool = True
    zero_shot: bool = False
    """It speaks with the voice of a clip."""
    lora: bool = False
    cpu_ok: bool = True
    languages: tuple[str, ...] = ()
    max_concurrent_sessions: int = 1


class Model(Published):
    """One model of a worker."""

    name: str
    """"backend/model"."""
    state: str
    """unloaded, loading, ready or failed."""
    sessions: int = 0


class Worker(Published):
    """A streaming worker: the value of `worker:<name>`, as JSON. Times are seconds since 1970."""

    name: str
    instance: str
    """Of this start of it: two processes with one name differ in it."""
    host: str
    """The machine's name."""
    address: str
    """host:port, for gRPC."""
    status: Status
    """Whether it takes sessions."""
    capabilities: Capabilities
    models: tuple[Model, ...] = ()
    sessions: int = 0
    load: float = 0.0
    """Open sessions, of the most that it takes: 0…1."""
    version: str = ""
    started_at: float = 0.0
    heartbeat_at: float = 0.0

    @property
    def is_full(self) -> bool:
        return self.sessions >= self.capabilities.max_concurrent_sessions

    def state_of(self, model: str) -> str | None:
        """What the model called "name" or "backend/name" is at; None where the worker has no such model."""
        states = [each.state for each in self.models if model in (each.name, each.name.partition("/")[2])]
        return min(states, key=_nearness) if states else None

    def can_load(self, model: str) -> bool:
        return self.state_of(model) not in (None, "failed")


def _nearness(state: str) -> int:
    order = ("ready", "loading", "unloaded")
    return order.index(state) if state in order else len(order)


def connected(redis_url: str) -> Redis:
    """A client that gives up soon. Raises MissingExtra, and ValueError for what is no such URL."""
    require("rpc", "redis")
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_connect_timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),  # a connection that has lain idle may be gone
    )


def listed(redis_url: str) -> list[Worker]:
    """All workers that are registered, by name. Raises RegistryUnavailable, MissingExtra, ValueError."""
    client = connected(redis_url)
    from redis import RedisError

    with closing(client):
        try:
            keys = sorted(client.scan_iter(match=f"{PREFIX}*", count=1_000))
            values: list[Any] = client.mget(keys) if keys else []
        except (RedisError, OSError) as error:
            raise unavailable(redis_url, error) from None
    pairs = zip(keys, values, strict=True)
    return [worker for key, value in pairs if value is not None and (worker := _worker(key, value))]


def _worker(key: str, value: str) -> Worker | None:
    try:
        return Worker.model_validate_json(value)
    except ValidationError:
        log.warning("%s in Redis is no worker of this version", key, extra={"action": "unknown_worker"})
        return None


def pick(
    workers: Sequence[Worker],
    model: str | None = None,
    choose: Callable[[Sequence[Worker]], Worker] = random.choice,
) -> Worker:
    """The worker to ask: 1. one that has the model loaded, 2. else one that can load it; of those the least
    loaded, and of several `choose`'s. Without a model, the least loaded of all.

    It is ready and not full. Raises EngineUnavailable where none is ready, UnknownModel where none of those
    can load the model, and TooManySessions where all that can are full.
    """
    ready = [worker for worker in workers if worker.status == "ready"]
    if not ready:
        raise EngineUnavailable("no streaming worker is ready", retry_after_s=RETRY_AFTER_S)
    able = [worker for worker in ready if model is None or worker.can_load(model)]
    if not able:
        raise UnknownModel(_no_such_model(ready, model), param="model")
    free = [worker for worker in able if not worker.is_full]
    if not free:
        whose = "workers are" if model is None else f"workers that have {model} are"
        raise TooManySessions(f"all {whose} full", retry_after_s=RETRY_AFTER_S)
    resident = [worker for worker in free if model is None or worker.state_of(model) == "ready"]  # 1.
    asked = resident or free  # 2.
    least = min(worker.load for worker in asked)
    return choose([worker for worker in asked if worker.load == least])


def _no_such_model(workers: Sequence[Worker], model: str | None) -> str:
    known = sorted({each.name for worker in workers for each in worker.models if worker.can_load(each.name)})
    return f"no worker can load a model {model!r}; known are {', '.join(known) or 'none'}"


def unavailable(redis_url: str, error: Exception) -> RegistryUnavailable:
    """Says where Redis was looked for, without what is secret in the URL."""
    why = f"Redis at {place(redis_url)} cannot be used ({type(error).__name__})"
    return RegistryUnavailable(f"{why}: which workers there are is not known", retry_after_s=RETRY_AFTER_S)


def place(redis_url: str) -> str:
    """The URL without the user and the password."""
    parts = urlsplit(redis_url)
    if not parts.hostname:
        return parts.path
    return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
