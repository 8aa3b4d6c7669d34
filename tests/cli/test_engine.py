"""Which engine a command asks, and what it says of one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers.cli import engine
from servers.settings import ROOT, settings
from tests.supervision.appliances import Appliances


@pytest.fixture(autouse=True)
def fresh():
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def appliances(home):
    with Appliances(home) as appliances:
        yield appliances


def test_without_anything_that_runs_it_is_the_settings_socket():
    assert engine.place(None) == ROOT / "var" / "engine.sock"


def test_the_appliance_of_this_checkout_is_asked_from_any_folder(appliances):
    assert str(engine.place(None)) != appliances.start(7000).socket
    assert str(engine.place(None)) == str(Path.cwd() / "7000" / "engine.sock")


def test_the_option_and_the_environment_win_over_what_runs(appliances, monkeypatch, home):
    appliances.start(7000)
    assert engine.place(Path("my.sock")) == home / "my.sock"
    monkeypatch.setenv("SKYLARK_ENGINE__SOCKET", "/tmp/other.sock")
    assert engine.place(None) == Path("/tmp/other.sock")


@pytest.mark.parametrize(
    "command",
    [("queue",), ("jobs",), ("srv", "health"), ("srv", "queue"), ("voices",)],
    ids=" ".join,
)
def test_every_command_names_the_socket_that_it_tried(run, home, command):
    result = run(*command, "--socket", "no.sock")
    assert result.exit_code == 3
    assert result.stderr == (
        f"skylark: {home / 'no.sock'}: the engine is not there; nothing runs from this checkout: "
        "start scripts/up, or say with --socket where to ask\n"
    )


def test_what_runs_elsewhere_is_named_where_nothing_runs_here(run, appliances):
    other = appliances.start(7000, checkout="/another")
    result = run("queue", "--socket", "no.sock")
    assert (
        f"(there is --server http://127.0.0.1:7000 (--socket {other.socket}), from /another)" in result.stderr
    )
    result = run("health", "--server", "http://127.0.0.1:1")
    assert "http://127.0.0.1:1/health cannot be reached: Connection refused" in result.stdout
    assert "from /another" in result.stdout
