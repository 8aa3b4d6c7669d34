from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from servers.cli import app

from .stand_in_servers import StandIn

Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, which is the home as well; nothing of the user's own is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "TTS_API_KEY",
        "SKYLARK_SERVER_CONFIG",
        "SKYLARK_DATA_DIR",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def configured(server: StandIn, home: Path) -> StandIn:
    """The stand-in, with a server_config.json that points at it."""
    (home / "server_config.json").write_text(
        json.dumps({"server_url": server.url, "whisper_url": server.url, "api_key": "key of the file"})
    )
    return server


@pytest.fixture
def run() -> Run:
    return lambda *arguments, **options: CliRunner().invoke(app, [str(each) for each in arguments], **options)
