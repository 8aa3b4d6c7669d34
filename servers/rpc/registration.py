"""This worker in Redis: `worker:<name>`, for as long as it says that it is there."""

from __future__ import annotations

import logging
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any

from servers.cloud.changes import Changes
from servers.errors import RegistryUnavailable, SkylarkError
from servers.rpc.workers import PREFIX, Worker, connected, place, unavailable

log = logging.getLogger(__name__)
REDIS, ENGINE = "redis", "engine"

PUT = """
local held = redis.call('GET', KEYS[1])
if held then
    local whole, other = pcall(cjson.decode, held)
    local known = whole and type(other) == 'table'
    local ours = known and other.instance == ARGV[1]
    local before = known and other.host == ARGV[2] and other.address == ARGV[3]
    if not (ours or before) then return held end
end
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[5])
return false
"""
"""Puts a worker's value, unless the key is another's. One at the same address has ended: its port is ours."""

REMOVE = """
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local whole, other = pcall(cjson.decode, held)
if whole and type(other) == 'table' and other.instance == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Registration:
    """A thread that renews the value each `heartbeat_s`, and goes on without Redis.

    `describe` is asked for what may change: status, capabilities, models, sessions and load. Where it raises
    a SkylarkError the worker is not ready, and otherwise as it was last. That Redis is lost, or back, or that
    another worker has the name, is logged once.
    """

    def __init__(
        self,
        redis_url: str,
        name: str,
        address: str,
        describe: Callable[[], dict[str, Any]],
        *,
        ttl_s: int,
        heartbeat_s: float,
        version: str,
        clock: Callable[[], float],
        host: str | None = None,
        patience_s: float = 5.0,
    ) -> None:
        """Asks nobody yet. Raises MissingExtra, and ValueError for what is no URL of Redis.

        Whoever leaves waits for `patience_s` at most for what is just being described.
        """
        self._url, self._redis = redis_url, connected(redis_url)
        self._describe, self._clock = describe, clock
        self._ttl_s, self._heartbeat_s, self._patience_s = ttl_s, heartbeat_s, patience_s
        self._fixed = {
            "name": name,
            "instance": uuid.uuid4().hex,
            "host": host or socket.gethostname(),
            "address": address,
            "version": version,
            "started_at": clock(),
        }
        self._described: dict[str, Any] = {"capabilities": {}}
        self._changes = Changes("rpc")
        self._is_registered = False
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="registration", daemon=True)

    @property
    def key(self) -> str:
        return f"{PREFIX}{self._fixed['name']}"

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """The worker takes no more sessions: its own key is removed, if Redis can be reached."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(self._patience_s)
        self.remove()
        self._redis.close()

    def _beat(self) -> None:
        while not self._leaving.is_set():
            try:
                self.put()
            except Exception:  # whatever it is, the next one may go well
                log.error("not registered", exc_info=True, extra={"action": "error"})
            self._leaving.wait(self._heartbeat_s)

    def put(self) -> None:
        """Once; what fails is logged."""
        worker = Worker.model_validate(self._fixed | self._now() | {"heartbeat_at": self._clock()})
        if self._leaving.is_set():
            return
        fixed = self._fixed
        values = (fixed["instance"], fixed["host"], fixed["address"], worker.model_dump_json(), self._ttl_s)
        try:
            holder = self._run(PUT, *values)
        except RegistryUnavailable as error:
            self._is_registered = False
            self._changes.fault(REDIS, f"{error.message}; this worker goes on without")
            return
        self._changes.well(REDIS, f"Redis at {place(self._url)} is back")
        if holder is not None:
            self._is_registered = False
            self._changes.fault(self.key, f"not registered in Redis: {self.key} is {_whose(holder)}")
            return
        self._changes.well(self.key, f"{self.key} in Redis is free")
        if not self._is_registered:
            self._is_registered = True
            log.info("registered in Redis as %s", self.key, extra={"action": "register", "key": self.key})

    def _now(self) -> dict[str, Any]:
        try:
            self._described = self._describe()
        except SkylarkError as error:
            self._changes.fault(ENGINE, f"this worker is not ready: {error.message}")
            return self._described | {"status": "not_ready"}
        self._changes.well(ENGINE, "this worker can say again what it can do")
        return self._described

    def remove(self) -> None:
        """Another worker that has taken the name is left alone."""
        try:
            removed = self._run(REMOVE, self._fixed["instance"])
        except RegistryUnavailable as error:
            log.warning(
                "not deregistered: %s; the key expires by itself",
                error.message,
                extra={"action": "deregister_failed", "key": self.key},
            )
            return
        if removed:
            log.info("deregistered from Redis: %s", self.key, extra={"action": "deregister", "key": self.key})

    def _run(self, script: str, *values: Any) -> Any:
        """Raises RegistryUnavailable."""
        from redis import RedisError

        try:
            return self._redis.eval(script, 1, self.key, *values)
        except (RedisError, OSError) as error:
            raise unavailable(self._url, error) from None


def _whose(held: str) -> str:
    try:
        other = Worker.model_validate_json(held)
    except ValueError:
        return "something else's than a worker's"
    return f"the worker's at {other.address} on {other.host}: give one of them another WORKER_NAME"
