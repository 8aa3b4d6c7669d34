"""`skylark page`: the page that runs here, one for the servers of a file, or what to do."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from servers.settings import ROOT
from tests.acceptance.processes import eventually, free_port
from tests.supervision.appliances import Appliances

from .terminal import Terminal

PAGE = "http://127.0.0.1:7010"


@pytest.fixture
def appliances(home):
    with Appliances(home) as appliances:
        yield appliances


@pytest.fixture
def browser(home, monkeypatch) -> Path:
    """A browser that does nothing but write down where it was sent."""
    program, visited = home / "browser", home / "visited"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {visited}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("BROWSER", str(program))
    return visited


def test_the_page_of_what_runs_here_is_opened(run, appliances, browser):
    appliances.start(7000, page=PAGE)
    result = run("page")
    assert (result.exit_code, result.stdout) == (0, f"{PAGE}\n")
    assert browser.read_text() == PAGE


def test_its_address_alone_is_printed_where_nothing_is_to_be_opened(run, appliances, browser):
    appliances.start(7000, page=PAGE)
    result = run("page", "--no-open")
    assert (result.exit_code, result.output) == (0, f"{PAGE}\n")
    assert not browser.exists()


def test_without_a_browser_it_says_where_to_go(run, appliances, monkeypatch, home):
    appliances.start(7000, page=PAGE)
    monkeypatch.setattr("webbrowser._tryorder", [])
    assert run("page").stderr == f"skylark: no browser could be opened: go to {PAGE}\n"


def test_where_nothing_serves_a_page_and_no_servers_are_named_it_says_what_to_do(run):
    result = run("page")
    assert result.exit_code == 2
    assert result.stderr.startswith("skylark: nothing serves a page here: start scripts/up")
    assert result.stderr.count("\n") == 1


def test_an_appliance_without_a_page_is_said_to_be_one(run, appliances):
    appliances.start(7000)
    result = run("page")
    assert result.exit_code == 2
    assert "what runs here serves no page (proxy.beside is false)" in result.stderr


def test_a_bad_file_is_named_before_anything_is_started(run, home):
    (home / "a.json").write_text('{"server_url": 5000}')
    result = run("page", "--config", home / "a.json")
    assert (result.exit_code, result.stderr) == (2, f"skylark: {home}/a.json: server_url: has to be text\n")


def test_a_port_in_use_is_said_in_one_line(run, home):
    (home / "server_config.json").write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run("page", "--port", port)
    assert result.exit_code == 1
    assert result.stderr == (
        f"skylark: port {port}: Address already in use: "
        "end what uses it, or choose another one with --port N\n"
    )


def test_for_the_servers_of_a_file_a_page_is_served_until_ctrl_c(home, browser):
    (home / "server_config.json").write_text(json.dumps({"server_url": "http://127.0.0.1:9"}))
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "SKYLARK_DATA_DIR": str(home / "d")}
    port = free_port()
    command = [sys.executable, "-m", "servers.cli", "page", "--port", str(port)]
    terminal = Terminal(command, home, environment)
    try:
        terminal.until(f"http://127.0.0.1:{port}\r\n", 60)
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        assert re.search(rb"<title>.*Skylark", connection.getresponse().read())
        connection.close()
        eventually(lambda: browser.exists() and browser.read_text() != "", "a browser is opened", 60)
        assert terminal.interrupt() == 0
    finally:
        terminal.close()
    assert browser.read_text() == f"http://127.0.0.1:{port}"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "it is still served"
