from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.jobs.stand_in_engine import StandInEngine


@pytest.mark.parametrize("path", ["/health", "/whisperx/health"])
def test_health_names_the_engine_and_what_really_listens(client: FlaskClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 200
    expected = {"status": "ok", "engine": "whisperx", "backend": "pocketsphinx", "model": "en-us"}
    assert expected.items() <= reply.json.items()
    assert reply.json["model_loaded"] is False


def test_health_and_readiness_without_an_engine(client: FlaskClient, engine: StandInEngine) -> None:
    engine.away_calls = 2
    health, ready = client.get("/health"), client.get("/ready")
    assert (health.status_code, health.json["status"]) == (200, "degraded")
    assert ready.status_code == 503


def test_ready(client: FlaskClient) -> None:
    assert client.get("/whisperx/ready").json == {"status": "ready"}
