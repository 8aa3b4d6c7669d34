from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.proxy import machine
from servers.proxy.app import create_app
from tests.proxy.stood_in import StoodIn
from tests.proxy.toy_upstream import Toy, toy_upstream
from tests.web import fixtures

configure = fixtures.configure
KEY = "sesame-open-7391"
PUBLIC = {
    "SKYLARK_PROXY__PUBLIC_URL": "https://speech.example.org",
    "SKYLARK_PROXY__CHARACTERS_PER_DAY": "1000",
    "SKYLARK_PROXY__RECORDING_MB_PER_DAY": "10",
}
AT_PUBLIC = {"base_url": "https://speech.example.org"}


class Buffered(FlaskClient):
    def open(self, *args, **options):
        return super().open(*args, **{"buffered": True, **options})


@pytest.fixture
def toy() -> Iterator[Toy]:
    with toy_upstream() as toy:
        yield toy


@pytest.fixture
def stood_in(toy: Toy) -> StoodIn:
    """What the toy is then: an appliance with its machine."""
    stood_in = StoodIn()
    toy.does = stood_in
    return stood_in


@pytest.fixture
def config(toy: Toy, tmp_path: Path) -> Path:
    return write_config(tmp_path, toy)


def write_config(folder: Path, toy: Toy) -> Path:
    """A server_config.json in which the toy is everything, with a key."""
    file = folder / "server_config.json"
    urls = {
        "server_url": f"{toy.url}/tts",
        "whisper_url": f"{toy.url}/whisperx",
        "jobs_url": toy.url,
        "machine_url": f"{toy.url}/machine",
    }
    file.write_text(json.dumps(urls | {"api_key": KEY}), encoding="utf-8")
    return file


@pytest.fixture
def make_app(configure: fixtures.Configure, config: Path) -> Iterator[Callable[..., Flask]]:
    apps: list[Flask] = []

    def make(**variables: str) -> Flask:
        configure(SKYLARK_PROXY__SERVER_CONFIG=str(config), **variables)
        app = create_app()
        app.test_client_class = Buffered
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.extensions[machine.EXTENSION].close()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Its replies are read whole, which closes them."""
    return app.test_client()
