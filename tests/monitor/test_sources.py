"""What is read of an engine and of the doors: /metrics of real apps, over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Flask

from servers.cloud.changes import Changes
from servers.errors import QueueFull
from servers.jobs.client import JobsClient
from servers.monitor.readings import Door
from servers.monitor.sources import DoorReader, door_of, read_engine
from servers.web.app import create_app
from tests.web.served import Served, eventually, serving

KEY = "a long secret"


@pytest.fixture
def app(configure: Callable[..., None]) -> Flask:
    configure(TTS_API_KEY=KEY)
    bp = Blueprint("toys", __name__)

    @bp.post("/speak")
    def speak() -> dict[str, str]:
        return {}

    @bp.post("/full")
    def full() -> dict[str, str]:
        raise QueueFull("full", retry_after_s=1.0)

    @bp.post("/broken")
    def broken() -> dict[str, str]:
        raise RuntimeError

    @bp.get("/health")
    def health() -> dict[str, str]:
        return {}

    return create_app("toys", [bp], prefix="toys")


@pytest.fixture
def served(app: Flask) -> Iterator[Served]:
    with serving(app) as served:
        yield served


def reader(port: int, key: str | None = KEY) -> DoorReader:
    return DoorReader("toys", f"http://127.0.0.1:{port}", key, Changes())


def test_a_doors_requests_are_counted_without_those_who_only_look(app, served):
    client = app.test_client()
    for path in ("/speak", "/toys/speak", "/full", "/broken"):
        client.post(path, headers={"X-API-Key": KEY})
    client.get("/health")
    door = reader(served.port).read()
    assert (door.requests, door.errors, door.uploads) == (4, 1, 0)
    assert door.last_request_at is not None


def test_a_door_that_nobody_asked_knows_of_no_last_request(served):
    assert reader(served.port).read() == Door()


def test_a_body_that_is_being_received_is_an_upload(served):
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(
            b"POST /speak HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nX-API-Key: "
            + KEY.encode()
            + b"\r\n\r\nhalf"
        )
        eventually(lambda: reader(served.port).read().uploads == 1)
    eventually(lambda: reader(served.port).read().uploads == 0)


@pytest.mark.parametrize("key", [None, "wrong", "неверный"])
def test_a_door_that_takes_no_such_key_is_away_and_one_line_says_what_to_set(served, caplog, key):
    asking = reader(served.port, key)
    caplog.clear()
    assert [asking.read(), asking.read()] == [None, None]
    said = [each.getMessage() for each in caplog.records if each.name == "servers.cloud.changes"]
    assert said == ["toys cannot be read: it takes no such key: set monitor.api_key"]


def test_a_door_that_is_away_is_logged_once_and_so_is_its_return(served, caplog):
    caplog.set_level("INFO", "servers.cloud.changes")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        gone = nobody.getsockname()[1]
    asking = reader(gone)
    assert [asking.read(), asking.read()] == [None, None]
    asking._url = f"http://127.0.0.1:{served.port}/metrics"
    assert asking.read() == Door()
    said = [each.__dict__["action"] for each in caplog.records if each.name == "servers.cloud.changes"]
    assert said == ["monitor_fault", "monitor_well"]


def test_what_is_no_text_of_prometheus_is_an_error():
    with pytest.raises(ValueError, match="could not convert"):
        door_of('skylark_receiving_bodies{server="a"} many\n')


def test_an_engine_that_is_away_is_logged_once(tmp_path: Path, caplog):
    client, changes = JobsClient(tmp_path / "engine.sock"), Changes()
    assert [read_engine(client, changes) for _ in range(3)] == [None] * 3
    assert [each.getMessage() for each in caplog.records] == [
        "the engine cannot be read: the engine is not there"
    ]
