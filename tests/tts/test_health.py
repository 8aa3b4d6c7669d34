from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from servers.errors import ModelLoadFailed, StorageFailed
from servers.tts.app import create_app
from servers.web.app import terminate
from tests.jobs.stand_in_engine import StandInEngine
from tests.web.fixtures import Configure


@pytest.mark.parametrize("path", ["/health", "/tts/health"])
def test_health_says_what_runs(client: FlaskClient, engine: StandInEngine, path: str) -> None:
    engine.state = "ready"
    reply = client.get(path)
    assert reply.status_code == 200
    assert reply.json.pop("uptime_s") >= 0
    assert reply.json | {"uptime_s": 0} == {
        "status": "ok",
        "model_loaded": True,
        "model": "espeak-ng",
        "backend": "espeak",
        "voice": "en-US+klatt4",
        "loaded_models": ["espeak/espeak-ng"],
        "models": ["espeak/espeak-ng"],
        "passed_over": [],
        "gpu_name": None,
        "device": "cpu",
        "queue_depth": 3,
        "uptime_s": 0,
        "limits": {"max_body_mb": 256.0, "max_text_chars": 20_000, "max_audio_s": 1_800.0},
    }


def test_health_is_degraded_but_200_without_an_engine(client: FlaskClient, engine: StandInEngine) -> None:
    engine.away_calls = 1
    reply = client.get("/health")
    assert reply.status_code == 200
    assert (reply.json["status"], reply.json["model_loaded"]) == ("degraded", False)
    assert reply.json["error"]["code"] == "engine_unavailable"


def test_what_ails_the_engine_is_said_and_nobody_is_sent_here(
    client: FlaskClient, engine: StandInEngine
) -> None:
    engine.fault = StorageFailed("the queue's file was moved")
    reply = client.get("/health")
    assert (reply.status_code, reply.json["status"]) == (200, "degraded")
    assert reply.json["error"]["code"] == "storage_failed"
    reply = client.get("/ready")
    assert reply.status_code == 503
    assert "the engine is degraded: the queue's file was moved" in reply.json["error"]["message"]


@pytest.mark.parametrize("state", ["unloaded", "loading", "ready"])
def test_ready_when_the_default_model_can_run(client: FlaskClient, engine: StandInEngine, state: str) -> None:
    engine.state = state
    assert client.get("/tts/ready").status_code == 200


def test_not_ready_when_the_default_model_failed(client: FlaskClient, engine: StandInEngine) -> None:
    engine.state, engine.load_error = "failed", ModelLoadFailed("no voices").to_dict()
    reply = client.get("/ready")
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "model_load_failed")
    assert "no voices" in reply.json["error"]["message"]
    assert reply.headers["Retry-After"] == "5"


@pytest.mark.parametrize("state", ["unloaded", "loading"])
def test_not_ready_while_a_model_is_still_to_be_loaded_at_the_start(
    client: FlaskClient, engine: StandInEngine, state: str
) -> None:
    engine.state, engine.awaited = state, True
    reply = client.get("/ready")
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "engine_unavailable")
    assert "is still to be loaded" in reply.json["error"]["message"]
    engine.state, engine.awaited = "ready", False
    assert client.get("/ready").status_code == 200


def test_told_to_end_it_is_not_ready_and_still_serves(client: FlaskClient) -> None:
    terminate(client.application)
    reply = client.get("/ready")
    assert (reply.status_code, reply.json["error"]["message"]) == (503, "the server is stopping")
    assert client.get("/health").status_code == 200


def test_not_ready_without_an_engine(client: FlaskClient, engine: StandInEngine) -> None:
    engine.away_calls = 1
    reply = client.get("/ready")
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "engine_unavailable")
    assert reply.headers["Retry-After"] == "2"


def test_a_preferred_model_that_cannot_be_loaded_is_told_with_the_reason(
    configure: Configure, engine: StandInEngine
) -> None:
    configure(SKYLARK_TTS__MODEL_TYPE="qwen3_tts,espeak")
    health = create_app(engine).test_client().get("/health").json
    assert health["models"] == ["espeak/espeak-ng"]
    (passed_over,) = health["passed_over"]
    assert passed_over["model_type"] == "qwen3_tts"
    assert passed_over["error"]["code"] == "unknown_model"
