from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from servers.tts.app import create_app
from tests.jobs.stand_in_engine import StandInEngine, speech
from tests.web import fixtures
from tests.web.served import WITHIN_S, Served, serving

configure = fixtures.configure


class PatientEngine(StandInEngine):
    """Texts with "for ever" in them are spoken until they are cancelled."""

    def __init__(self) -> None:
        super().__init__(lambda payload: None if "for ever" in payload["text"] else speech(payload))
        self.spoken: list[dict[str, Any]] = []
        self.is_asked = threading.Semaphore(0)
        self._cancelling = threading.Condition()

    def _id(self, job: dict[str, Any]) -> str:
        self.spoken.append(job["payload"])
        job_id = super()._id(job)
        self.is_asked.release()
        return job_id

    @property
    def texts(self) -> list[str]:
        return [payload["text"] for payload in self.spoken]

    def pass_time(self, seconds: float) -> None:
        with self._cancelling:
            self._cancelling.wait(seconds)

    def cancel(self, job_id: str) -> None:
        super().cancel(job_id)
        with self._cancelling:
            if self.jobs[job_id]["finished_at"] is None:
                self.jobs[job_id] |= {"status": "cancelled", "finished_at": 1.0}
            self._cancelling.notify_all()


@pytest.fixture
def engine() -> PatientEngine:
    return PatientEngine()


@pytest.fixture
def client(configure: object, engine: PatientEngine) -> FlaskClient:
    return create_app(engine).test_client()


@pytest.fixture
def served(configure: object, engine: PatientEngine) -> Iterator[Served]:
    with serving(create_app(engine)) as running:
        yield running


def asked(engine: PatientEngine, texts: int) -> None:
    """Returns when so many more texts were asked for."""
    for _ in range(texts):
        assert engine.is_asked.acquire(timeout=WITHIN_S)
