"""`skylark workers` with a real Redis, and what `skylark worker` says before it starts anything."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.rpc.registration import Registration
from servers.settings import ROOT, settings
from tests.acceptance.processes import free_port
from tests.rpc.private_redis import MISSING, PrivateRedis, is_missing, private_redis


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    if is_missing():
        pytest.skip(MISSING)
    with private_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Each test reads the settings anew."""
    settings.cache_clear()
    yield
    settings.cache_clear()


def register(redis: PrivateRedis, name: str, sessions: int) -> None:
    described = {
        "status": "ready",
        "capabilities": {"languages": ["en"], "max_concurrent_sessions": 4},
        "models": [{"name": "mock/tone", "state": "ready"}],
        "sessions": sessions,
        "load": sessions / 4,
    }
    Registration(
        redis.url,
        name,
        "here:7002",
        lambda: described,
        ttl_s=30,
        heartbeat_s=10,
        version="1",
        clock=lambda: 1000.0,
    ).put()


def test_the_workers_are_listed(run, redis):
    assert run("workers", "--redis", redis.url).stdout == "no workers\n"
    register(redis, "b", 1)
    register(redis, "a", 0)
    lines = run("workers", "--redis", redis.url).stdout.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["a", "b"]
    assert "1 of 4" in lines[-1]
    assert "mock/tone (ready)" in lines[-1]
    found = json.loads(run("workers", "--redis", redis.url, "--json").stdout)["workers"]
    assert [(worker["name"], worker["load"]) for worker in found] == [("a", 0.0), ("b", 0.25)]


def test_where_they_are_registered_is_a_setting(run, redis, monkeypatch):
    monkeypatch.setenv("SKYLARK_RPC__REDIS_URL", redis.url)
    register(redis, "configured", 0)
    assert "configured" in run("workers").stdout


def test_a_redis_that_is_not_there_is_a_server_that_cannot_be_reached(run):
    result = run("workers", "--redis", f"redis://127.0.0.1:{free_port()}")
    assert (result.exit_code, "which workers there are is not known" in result.stderr) == (3, True)


def test_what_is_no_url_of_redis_is_wrong_usage(run):
    result = run("workers", "--redis", "http://here")
    assert (result.exit_code, result.stderr.startswith("skylark: --redis: ")) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--adapter", "cosyvoice2"), "--adapter: there is no backend 'cosyvoice2' here: possible are"),
        (("--adapter", "mock", "--default", "piper"), "--default: 'piper' is a model of piper"),
        (("--config", "nowhere.yaml"), "nowhere.yaml: No such file or directory (--config)"),
    ],
)
def test_a_worker_that_cannot_be_is_refused_in_one_line(run, arguments, said):
    result = run("worker", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a Unix socket's has to fit 100 bytes."""
    made = Path(tempfile.mkdtemp(prefix="sky"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_port_that_is_taken_is_said_before_anything_starts(run, folder, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment(monkeypatch, folder, SKYLARK_RPC__PORT=str(taken.getsockname()[1]))
        result = run("worker", "--adapter", "mock")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Address already in use" in result.stderr
    assert "SKYLARK_RPC__PORT" in result.stderr


def test_beyond_this_machine_it_needs_a_key(run, folder, monkeypatch):
    environment(monkeypatch, folder, SKYLARK_RPC__HOST="0.0.0.0")
    result = run("worker", "--adapter", "mock")
    assert (result.exit_code, "no API key: set TTS_API_KEY" in result.stderr) == (2, True)


def environment(monkeypatch: pytest.MonkeyPatch, folder: Path, **own: str) -> None:
    """What the command sets of its own is taken back after the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.update({"SKYLARK_DATA_DIR": str(folder)} | own)


def test_the_file_that_it_reads_by_itself_is_there():
    assert (ROOT / "config" / "worker.yaml").is_file()
