"""Odd bodies and malformed requests; `scripts/bench fuzz --bodies 2500` is the long campaign."""

from __future__ import annotations

import re

import pytest

from benchmarks.fuzz import endpoints, fuzz, malformed
from servers.engine.http import jobs, models
from servers.texts import endpoints as texts
from servers.tts.app import create_app as create_tts
from servers.web.app import create_app
from servers.whisperx.app import create_app as create_whisperx
from tests.acceptance.processes import free_port, running_appliance
from tests.jobs.stand_in_engine import StandInEngine
from tests.web import fixtures

configure = fixtures.configure
BODIES = 300


@pytest.fixture
def appliance():
    with running_appliance(SKYLARK_ENGINE__PORT=str(free_port())) as appliance:
        yield appliance


def test_every_endpoint_is_fuzzed(configure):
    apps = {
        "tts": create_tts(StandInEngine()),
        "whisperx": create_whisperx(StandInEngine()),
        "engine": create_app("engine", [jobs.bp, texts.bp, models.bp], internal=True),
    }
    there = {
        (server, method, re.sub("<.*?>", "*", rule.rule))
        for server, app in apps.items()
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    known = {
        (server, method, path.replace("/ID", "/*").replace("/default", "/*").replace("fake/one", "*"))
        for server, method, path, _ in endpoints(b"", "ID")
    }
    assert known == there


def test_bodies_that_nobody_would_send_have_typed_answers(appliance):
    met = fuzz(appliance, BODIES)
    assert met.faults == []
    assert met.statuses[200]
    assert met.statuses[400]
    assert met.statuses[422]
    assert malformed(appliance) == []
    assert appliance.ready("tts")
    assert appliance.ready("whisperx")
