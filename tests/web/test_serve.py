from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from servers.settings import ROOT
from servers.web.serve import serve, serve_door, startup

GUNICORN = ROOT / "config" / "gunicorn.conf.py"


class Replaced(Exception):
    """What stands for the process that execv would become."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]) -> list[str]:
    arguments: list[str] = []

    def execv(_program: str, args: list[str]) -> None:
        arguments.extend(args)
        raise Replaced

    monkeypatch.setattr(os, "execv", execv)
    return arguments


def test_a_server_becomes_gunicorn_with_our_configuration(command: list[str]) -> None:
    with pytest.raises(Replaced):
        serve("toys:create_app()", bind="unix:/run/toys.sock", threads=7)
    assert command[:3] == [sys.executable, "-m", "gunicorn"]
    rest = ["--config", str(GUNICORN), "--bind", "unix:/run/toys.sock", "--threads", "7", "toys:create_app()"]
    assert command[3:] == rest


@pytest.mark.parametrize(
    ("host", "bind"),
    [("127.0.0.1", "127.0.0.1:5000"), ("localhost", "localhost:5000"), ("::1", "[::1]:5000")],
)
def test_a_door_is_served_where_the_settings_say(
    configure: Callable[..., None], command: list[str], host: str, bind: str
) -> None:
    configure(SKYLARK_TTS__HOST=host)
    with pytest.raises(Replaced):
        serve_door("toys:create_app()", lambda settings: settings.tts)
    assert command[command.index("--bind") + 1] == bind


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_server_is_refused_in_one_line(
    configure: Callable[..., None], command: list[str], host: str
) -> None:
    configure(SKYLARK_TTS__HOST=host)
    with pytest.raises(SystemExit) as caught:
        serve_door("toys:create_app()", lambda settings: settings.tts)
    assert str(caught.value).startswith(f"skylark: refusing to listen on {host.replace('::', '[::]')}")
    assert "\n" not in str(caught.value)
    assert command == []


def test_a_wrong_setting_is_said_in_one_line(configure: Callable[..., None]) -> None:
    configure(SKYLARK_TTS__PORT="many")
    with pytest.raises(SystemExit, match=r"^skylark: .*tts\.port") as caught, startup():
        pytest.fail("it should not start")
    assert "\n" not in str(caught.value)


def test_counts_of_an_earlier_run_are_removed_at_the_start(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    start = runpy.run_path(str(GUNICORN))["on_starting"]
    start(None)
    (folder / "counter_1.db").touch()
    start(None)
    assert list(folder.iterdir()) == []
