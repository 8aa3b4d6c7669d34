"""Whether every door is ready, as the container engine asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from servers.settings import settings
from servers.supervision import probe
from servers.supervision.processes import DOORS, PROXY
from tests.web.served import serving


@pytest.fixture
def answers(monkeypatch) -> Iterator[dict[str, tuple]]:
    """What /ready answers with, on the port of every door."""
    app, answers = Flask("ready"), {"/ready": ({"status": "ready"}, 200)}
    app.config["MAX_CONTENT_LENGTH"] = 1_000
    app.extensions["skylark.admits"] = lambda _: True
    app.get("/ready")(lambda: answers["/ready"])
    with serving(app) as served:
        for door in (*DOORS, PROXY):
            monkeypatch.setenv(door.port_variable, str(served.port))
        settings.cache_clear()
        yield answers
    settings.cache_clear()


def test_doors_that_are_ready_end_it_with_0(answers, capsys):
    assert probe.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{door.name}: ready" for door in DOORS]


def test_a_door_that_is_not_ready_is_quoted_and_ends_it_with_1(answers, capsys):
    answers["/ready"] = ({"error": "still to be loaded"}, 503)
    assert probe.main([]) == 1
    assert "tts: {" in (said := capsys.readouterr().out)
    assert "still to be loaded" in said


def test_a_door_where_nobody_listens_ends_it_with_1(monkeypatch, capsys):
    for door in DOORS:
        monkeypatch.setenv(door.port_variable, "1")
    settings.cache_clear()
    assert probe.main([]) == 1
    settings.cache_clear()
    assert "refused" in capsys.readouterr().out


def test_of_a_page_alone_the_page_is_asked(answers, capsys, monkeypatch):
    for door in DOORS:
        monkeypatch.setenv(door.port_variable, "1")
    settings.cache_clear()
    assert probe.main(["proxy"]) == 0
    assert capsys.readouterr().out == "proxy: ready\n"
