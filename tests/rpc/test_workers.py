"""Which worker a client should ask, and what it is told where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from servers.errors import EngineUnavailable, RegistryUnavailable, TooManySessions, UnknownModel
from servers.rpc.workers import Worker, listed, pick, place
from tests.acceptance.processes import free_port


def worker(name: str, sessions: int = 0, most: int = 4, status: str = "ready", **models: str) -> Worker:
    return Worker.model_validate(
        {
            "name": name,
            "instance": name,
            "host": "here",
            "address": f"{name}:7002",
            "status": status,
            "capabilities": {"max_concurrent_sessions": most},
            "models": [{"name": f"piper/{model}", "state": state} for model, state in models.items()],
            "sessions": sessions,
            "load": sessions / most,
        }
    )


def picked(workers: Sequence[Worker], model: str | None = None, **how: Any) -> str:
    return pick(workers, model, **how).name


@pytest.mark.parametrize("model", ["joe", "piper/joe"])
def test_the_least_loaded_that_has_the_model_loaded_is_asked(model):
    crowd = [
        worker("full of work", 3, joe="ready"),
        worker("half", 2, joe="ready"),
        worker("idle", 0, joe="unloaded"),
        worker("other", 0, amy="ready"),
    ]
    assert picked(crowd, model) == "half"


def test_where_nobody_has_it_loaded_the_least_loaded_that_can_load_it_is_asked():
    crowd = [worker("a", 2, joe="unloaded"), worker("b", 1, joe="loading"), worker("c", 0, amy="ready")]
    assert picked(crowd, "joe") == "b"


def test_where_those_that_have_it_are_full_another_one_loads_it():
    assert picked([worker("a", 4, joe="ready"), worker("b", 3, joe="unloaded")], "joe") == "b"


def test_load_is_a_share_of_what_a_worker_takes():
    assert picked([worker("small", 2, most=3), worker("large", 5, most=20)]) == "large"


def test_of_those_with_the_same_load_it_is_not_always_the_first():
    crowd = [worker("a", joe="ready"), worker("b", joe="ready"), worker("c", 1, joe="ready")]
    assert picked(crowd, "joe", choose=lambda equal: equal[-1]) == "b"
    assert picked(crowd, "joe", choose=lambda equal: equal[0]) == "a"


@pytest.mark.parametrize("status", ["draining", "not_ready"])
def test_one_that_is_draining_or_not_ready_is_never_asked(status):
    assert picked([worker("going", status=status), worker("busy", 3)]) == "busy"
    with pytest.raises(EngineUnavailable) as raised:
        pick([worker("going", status=status)])
    assert raised.value.retry_after_s


def test_a_model_that_nobody_can_load_is_an_error_that_lists_the_known_ones():
    crowd = [worker("a", joe="ready", broken="failed"), worker("b", amy="unloaded")]
    for model in ("nobody", "broken"):
        with pytest.raises(UnknownModel, match="known are piper/amy, piper/joe") as raised:
            pick(crowd, model)
        assert raised.value.param == "model"


def test_where_all_that_have_it_are_full_it_says_to_come_again():
    with pytest.raises(TooManySessions, match="joe") as raised:
        pick([worker("a", 4, joe="ready"), worker("b", 0, amy="ready")], "joe")
    assert raised.value.retry_after_s


def test_what_another_version_says_of_a_worker_is_passed_over():
    value = worker("a", joe="ready").model_dump() | {"of_tomorrow": 1}
    assert Worker.model_validate(value) == worker("a", joe="ready")


def test_a_redis_that_is_not_there_is_named_without_its_password():
    port = free_port()
    with pytest.raises(RegistryUnavailable, match=f"127.0.0.1:{port}") as raised:
        listed(f"redis://someone:secret@127.0.0.1:{port}/1")
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis://me:secret@cache:6380/0", "cache:6380"),
        ("redis://cache", "cache"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_a_redis_is_named_by_its_place(url, named):
    assert place(url) == named
