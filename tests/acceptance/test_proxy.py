"""The proxy beside a real appliance: how that is, its queue, and a stream that ends with it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.acceptance.processes import Appliance, Session, eventually, running_appliance
from tests.proxy.page.conftest import Proxy, running_proxy

WITHIN_S = 60.0
KEY = "the key of the tests"
LONG = {"text": "what nobody else may read", "chunks": 3000, "pace_s": 0.02}


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with running_appliance(TTS_API_KEY=KEY) as running:
        yield running


@pytest.fixture
def proxy(appliance) -> Iterator[Proxy]:
    with running_proxy(appliance, TTS_API_KEY=KEY, SKYLARK_PROXY__STATUS_EVERY_S="0.2") as running:
        yield running


@pytest.fixture
def http() -> Iterator[Session]:
    with Session() as session:
        yield session


@contextmanager
def events(proxy: Proxy) -> Iterator[Iterator[tuple[str, dict]]]:
    with Session() as http, http.get(f"{proxy.url}/api/events", stream=True) as response:
        yield _events(response)


def _events(response: requests.Response) -> Iterator[tuple[str, dict]]:
    """Fails where what a test waits for does not come: a line comes each 15 s."""
    name, deadline = "", time.monotonic() + WITHIN_S
    for line in response.iter_lines(chunk_size=1, decode_unicode=True):
        assert time.monotonic() < deadline, "what was waited for did not come"
        kind, _, rest = line.partition(": ")
        if kind == "event":
            name = rest
        elif kind == "data":
            yield name, json.loads(rest)


def until(told: Iterator[tuple[str, dict]], name: str, is_so) -> dict:
    """The first of these events that is so."""
    return next(data for kind, data in told if kind == name and is_so(data))


def test_it_is_ready_and_says_who_speaks_and_listens(proxy, http):
    found = http.get(f"{proxy.url}/api/status").json()
    assert (found["state"], found["machine"]) == ("ready", None)
    assert (found["tts"]["ok"], found["tts"]["backend"]) == (True, "espeak")
    assert (found["whisperx"]["ok"], found["whisperx"]["backend"]) == (True, "pocketsphinx")
    assert "espeak/espeak-ng" in [
        model["name"] for model in http.get(f"{proxy.url}/api/queue").json()["models"]
    ]


def test_a_job_is_seen_as_it_runs_is_cancelled_and_is_seen_to_have_ended(appliance, proxy, http):
    with events(proxy) as told:
        until(told, "status", lambda status: status["state"] == "ready")
        (job_id,) = appliance.jobs.submit([{"model_type": "fake", "payload": LONG}])
        until(told, "status", lambda status: status["state"] in ("busy", "loading"))
        queue = until(told, "queue", lambda queue: [each["status"] for each in queue["jobs"]] == ["running"])
        assert (queue["jobs"][0]["id"], queue["jobs"][0]["own"]) == (job_id, False)
        assert "nobody else" not in json.dumps(queue)
        assert http.delete(f"{proxy.url}/api/queue/{job_id}").json()["status"] == "cancelled"
        until(told, "queue", lambda queue: queue["jobs"][0]["status"] == "cancelled")
    assert http.get(f"{proxy.url}/api/status").json()["state"] == "ready"


def test_what_a_visitor_has_spoken_is_shown_as_their_own(proxy, http):
    csrf = http.get(f"{proxy.url}/api/visitor").json()["csrf"]
    headers = {"X-CSRF-Token": csrf, "Origin": proxy.url}
    spoken = http.post(f"{proxy.url}/api/tts-generate", json={"texts": ["Good morning."]}, headers=headers)
    assert spoken.status_code == 200, spoken.text

    def last() -> dict:
        return http.get(f"{proxy.url}/api/queue").json()["jobs"][0]

    eventually(lambda: (last()["task"], last()["own"]) == ("synthesize", True), "it is shown as their own")
    with Session() as another:
        assert another.get(f"{proxy.url}/api/queue").json()["jobs"][0]["own"] is False


def test_an_engine_that_is_killed_is_noticed_and_so_is_its_return(appliance, proxy):
    with events(proxy) as told:
        until(told, "status", lambda status: status["state"] == "ready")
        for process in appliance.named("servers.engine"):
            process.kill()
        until(told, "status", lambda status: status["state"] == "unreachable")
        until(told, "status", lambda status: status["state"] == "ready")


def test_a_wrong_key_is_said_and_no_word_of_it_gets_out(appliance, http):
    with running_proxy(appliance, TTS_API_KEY="a wrong key") as proxy:
        found = http.get(f"{proxy.url}/api/status")
        assert found.json()["state"] == "refused"
        assert "a wrong key" not in found.text


def test_a_proxy_that_is_told_to_end_ends_its_streams(proxy):
    with events(proxy) as told:
        until(told, "status", lambda status: status["state"] == "ready")
        proxy.process.process.terminate()
        assert [kind for kind, _ in told if kind not in ("status", "queue")] == []
    assert proxy.process.wait(30) == 0
