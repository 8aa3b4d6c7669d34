"""What the machine tells of its own start, of doors over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, request

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.monitor.boot import PAUSES_S, Boot
from servers.web.app import create_app
from tests.web.served import Served, serving

KEY = "a long secret"


class Machine:
    """A door that is ready, and speaks, after so many questions; and the table that is told."""

    def __init__(self) -> None:
        self.not_ready, self.mute, self.silent = 0, 0, 0
        self.refusals = 0
        self.told: list[dict[str, Any]] = []
        self.now = 1_000.0
        self.slept = 0

    def tell(self, values: Mapping[str, Any]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise CloudFailed("ThrottlingException")
        self.told.append(dict(values))

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += seconds
        assert self.slept < 100


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def app(machine: Machine, configure: Callable[..., None]) -> Flask:
    configure(TTS_API_KEY=KEY)
    bp = Blueprint("toys", __name__)

    @bp.get("/ready")
    def ready() -> Response:
        machine.not_ready -= 1
        return Response(status=503 if machine.not_ready >= 0 else 200)

    @bp.post("/v1/audio/speech")
    def speech() -> Response:
        assert request.get_json()["input"]
        machine.mute -= 1
        machine.silent -= 1
        if machine.mute >= 0:
            return Response(status=500)
        return Response(b"" if machine.silent >= 0 else bytes(960))

    return create_app("toys", [bp], prefix="toys")


@pytest.fixture
def served(app: Flask) -> Iterator[Served]:
    with serving(app) as served:
        yield served


def boot(machine: Machine, url: str) -> Boot:
    return Boot([url, url], KEY, machine.tell, Changes(), lambda: machine.now, machine.sleep)


def url_of(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}"


def test_a_machine_that_is_ready_and_speaks_tells_of_both(machine, served):
    boot(machine, url_of(served)).run()
    assert machine.told == [{"model_at": 1_000.0, "fault": None}, {"audio_at": 1_000.0, "fault": None}]


def test_it_waits_until_its_models_are_loaded_and_says_so_once(machine, served, caplog):
    machine.not_ready = 5
    boot(machine, url_of(served)).run()
    assert machine.told[0]["model_at"] == 1_005.0
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["it is not ready: /ready answers 503"]


def test_a_machine_that_does_not_speak_says_why_and_tries_again(machine, served):
    machine.mute = 2
    boot(machine, url_of(served)).run()
    assert [told.get("fault") for told in machine.told] == [
        None,
        "/v1/audio/speech answers 500",
        "/v1/audio/speech answers 500",
        None,
    ]
    assert machine.told[-1]["audio_at"] == 1_003.0  # a second, and then two


def test_silence_is_no_speech(machine, served):
    machine.silent = 1
    boot(machine, url_of(served)).run()
    assert machine.told[-1]["audio_at"] == 1_001.0


def test_a_machine_that_never_speaks_is_asked_a_few_times_and_says_so(machine, served, caplog):
    machine.mute = 1_000
    boot(machine, url_of(served)).run()
    assert machine.mute == 1_000 - len(PAUSES_S)
    assert machine.told[-1] == {"fault": "/v1/audio/speech answers 500"}
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_a_table_that_is_away_is_told_later_and_nothing_is_spoken_again(machine, served):
    machine.refusals = 3
    boot(machine, url_of(served)).run()
    assert [sorted(told) for told in machine.told] == [["fault", "model_at"], ["audio_at", "fault"]]
    assert (machine.slept, machine.mute) == (3, -1)


class Over(Exception):
    """The test has seen enough."""


def test_a_door_that_is_not_there_is_asked_again(machine):
    def sleep(seconds: float) -> None:
        machine.sleep(seconds)
        if machine.slept == 3:
            raise Over

    with pytest.raises(Over):
        Boot(["http://127.0.0.1:9"], KEY, machine.tell, Changes(), lambda: machine.now, sleep).run()
    assert machine.told == []
