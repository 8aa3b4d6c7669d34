"""A worker in a real Redis: what is there, for how long, and what becomes of it when either goes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from servers.errors import EngineUnavailable
from servers.rpc.registration import Registration
from servers.rpc.workers import connected, listed
from tests.acceptance.processes import eventually
from tests.rpc.private_redis import MISSING, PrivateRedis, is_missing, private_redis

pytestmark = pytest.mark.skipif(is_missing(), reason=MISSING)
DESCRIBED = {
    "status": "ready",
    "capabilities": {"languages": ["en"], "max_concurrent_sessions": 4},
    "models": [{"name": "mock/tone", "state": "ready", "sessions": 1}],
    "sessions": 1,
    "load": 0.25,
}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    with private_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(redis: PrivateRedis) -> None:
    redis.cli("flushall")


def registration(redis: PrivateRedis, name: str = "tts-worker-0", **own: Any) -> Registration:
    fields = {"describe": lambda: DESCRIBED, "ttl_s": 30, "heartbeat_s": 10, "host": "here"} | own
    address = fields.pop("address", "here:7002")
    return Registration(redis.url, name, address, version="0.1.0", clock=lambda: 1000.0, **fields)


def test_its_key_and_its_value_are_what_the_seed_looks_for(redis):
    registration(redis).put()
    assert redis.cli("KEYS", "worker:*") == "worker:tts-worker-0"
    value = json.loads(redis.cli("GET", "worker:tts-worker-0"))
    assert value.pop("instance")
    assert value == {
        "name": "tts-worker-0",
        "host": "here",
        "address": "here:7002",
        "version": "0.1.0",
        "started_at": 1000.0,
        "heartbeat_at": 1000.0,
        "status": "ready",
        "capabilities": {
            "streaming": True,
            "zero_shot": False,
            "lora": False,
            "cpu_ok": True,
            "languages": ["en"],
            "max_concurrent_sessions": 4,
        },
        "models": [{"name": "mock/tone", "state": "ready", "sessions": 1}],
        "sessions": 1,
        "load": 0.25,
    }
    assert 25 < int(redis.cli("TTL", "worker:tts-worker-0")) <= 30


def test_it_is_listed_beside_the_others_and_what_is_no_worker_is_not(redis):
    for name in ("b", "a"):
        registration(redis, name).put()
    redis.cli("SET", "worker:strange", "not json")
    assert [(worker.name, worker.load) for worker in listed(redis.url)] == [("a", 0.25), ("b", 0.25)]


def test_it_is_renewed_by_heartbeats_and_gone_when_it_leaves(redis):
    here = registration(redis, ttl_s=60, heartbeat_s=0.02)
    here.start()
    eventually(lambda: redis.cli("EXISTS", here.key) == "1", "it is registered")
    redis.cli("DEL", here.key)
    eventually(lambda: redis.cli("EXISTS", here.key) == "1", "the next heartbeat puts it back")
    here.leave()
    assert redis.cli("KEYS", "worker:*") == ""


def test_it_goes_on_without_redis_says_so_once_and_comes_back_by_itself(redis, caplog):
    caplog.set_level(logging.INFO)
    here = registration(redis, heartbeat_s=0.02)
    here.start()
    try:
        eventually(lambda: redis.cli("EXISTS", here.key) == "1", "it is registered")
        redis.end()
        eventually(lambda: actions(caplog).count("rpc_fault") == 1, "the loss is logged")
        redis.start()
        eventually(lambda: redis.cli("EXISTS", here.key) == "1", "it is registered again")
    finally:
        here.leave()
    assert actions(caplog) == ["register", "rpc_fault", "rpc_well", "register", "deregister"]
    (lost,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"Redis at 127.0.0.1:{redis.port}" in lost


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.action for record in caplog.records if hasattr(record, "action")]


def test_leaving_waits_for_no_engine_that_hangs_and_what_it_says_later_registers_nobody(redis):
    hangs, goes_on = threading.Event(), threading.Event()

    def describe() -> dict[str, Any]:
        hangs.set()
        assert goes_on.wait(60)
        return DESCRIBED

    here = registration(redis, describe=describe, patience_s=0.05)
    here.start()
    assert hangs.wait(60)
    here.leave()
    goes_on.set()
    here._thread.join(60)
    assert redis.cli("KEYS", "worker:*") == ""


def test_leaving_without_redis_says_so_and_returns(redis, caplog):
    here = registration(redis)
    here.put()
    redis.end()
    try:
        here.leave()
    finally:
        redis.start()
    assert actions(caplog) == ["deregister_failed"]


def test_of_two_with_one_name_the_later_one_says_so_and_leaves_the_first_alone(redis, caplog):
    first, second = registration(redis), registration(redis, address="there:7002")
    first.put()
    for _ in range(2):
        second.put()
    assert [worker.address for worker in listed(redis.url)] == ["here:7002"]
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "worker:tts-worker-0 is the worker's at here:7002 on here" in said
    assert "WORKER_NAME" in said
    second.remove()
    assert [worker.address for worker in listed(redis.url)] == ["here:7002"]


def test_the_name_is_taken_once_the_other_has_left(redis):
    first, second = registration(redis), registration(redis, address="there:7002")
    first.put()
    second.put()
    first.leave()
    second.put()
    assert [worker.address for worker in listed(redis.url)] == ["there:7002"]


def test_one_that_was_killed_has_its_name_back_at_once(redis):
    registration(redis).put()
    after = registration(redis)
    after.put()
    with closing(connected(redis.url)) as client:
        assert json.loads(client.get(after.key))["instance"] == after._fixed["instance"]


def test_a_key_that_is_no_workers_is_not_overwritten(redis, caplog):
    redis.cli("SET", "worker:tts-worker-0", "something")
    registration(redis).put()
    assert redis.cli("GET", "worker:tts-worker-0") == "something"
    assert "something else's" in caplog.text


def test_a_worker_whose_engine_is_gone_is_registered_as_not_ready_with_what_it_was(redis):
    engine = [True]

    def describe() -> dict[str, Any]:
        if not engine:
            raise EngineUnavailable("the engine is not there")
        return DESCRIBED

    here = registration(redis, describe=describe)
    here.put()
    engine.clear()
    here.put()
    (worker,) = listed(redis.url)
    assert (worker.status, worker.models[0].name) == ("not_ready", "mock/tone")


def test_what_is_no_url_of_redis_is_refused(tmp_path):
    with pytest.raises(ValueError, match="scheme"):
        registration(PrivateRedisAt("http://here"))


class PrivateRedisAt:
    def __init__(self, url: str) -> None:
        self.url = url
