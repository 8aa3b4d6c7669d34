"""GET /v1/voices: what the models say of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from servers.backends.base import About
from servers.errors import ModelLoadFailed
from servers.speech import Voice
from servers.tts.app import create_app
from tests.jobs.stand_in_engine import StandInEngine
from tests.web.fixtures import Configure

ABOUT = About(voices=(Voice(name="ryan", languages=("en",)),), languages=("en",), default_voice="ryan")
QWEN = """
backends:
  qwen3_tts: {default: q, models: {q: {checkpoint: none}}}
  espeak: {default: espeak-ng, models: {espeak-ng: {}}}
"""


class Engine(StandInEngine):
    """Has a model that only says who speaks once it is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.about: dict[str, Any] | None = None
        self.loads: list[str] = []

    def models(self) -> dict[str, Any]:
        return {"models": [{"model_type": "qwen3_tts", "name": "q", "about": self.about}]}

    def load_model(self, name: str, *, timeout_s: float = 0.0) -> dict[str, Any]:
        self.loads.append(name)
        if self.load_error is None:
            self.about = ABOUT.model_dump(mode="json")
        return {"about": self.about, "error": self.load_error}


@pytest.fixture
def qwen(configure: Configure, tmp_path: Any) -> Engine:
    (tmp_path / "models.yaml").write_text(QWEN)
    configure(SKYLARK_MODELS_FILE=str(tmp_path / "models.yaml"), SKYLARK_MODELS_DIR=str(tmp_path / "models"))
    return Engine()


@pytest.mark.parametrize("query", ["", "?model=espeak-ng", "?model=espeak/espeak-ng&refresh=true"])
def test_voices_have_the_languages_of_their_model(client: FlaskClient, query: str) -> None:
    reply = client.get(f"/v1/voices{query}")
    assert reply.status_code == 200
    (model,) = reply.json["models"]
    assert (model["model"], model["known"], model["default_voice"]) == (
        "espeak/espeak-ng",
        True,
        "en-US+klatt4",
    )
    assert "de" in model["languages"]
    voices = {voice["name"]: voice for voice in reply.json["voices"]}
    assert len(voices) > 100
    assert voices["de"]["languages"] == ["de"]
    assert set(voices["de"]) == {
        "id",
        "name",
        "languages",
        "gender",
        "description",
        "licence",
        "model",
        "voice_id",
        "category",
        "labels",
    }


def test_a_model_that_was_never_loaded_says_so_and_nothing_is_made_up(qwen: Engine) -> None:
    reply = create_app(qwen).test_client().get("/v1/voices?model=q").json
    assert reply["voices"] == []
    assert reply["models"][0] | {"languages": []} == {
        "model": "qwen3_tts/q",
        "known": False,
        "default_voice": None,
        "languages": [],
    }
    assert qwen.loads == []


def test_refresh_loads_a_model_that_cannot_be_asked_otherwise(qwen: Engine) -> None:
    client = create_app(qwen).test_client()
    reply = client.get("/v1/voices?model=q&refresh=true").json
    assert [voice["name"] for voice in reply["voices"]] == ["ryan"]
    assert qwen.loads == ["qwen3_tts/q"]
    assert client.get("/v1/voices?model=q").json == reply


def test_why_a_model_cannot_be_loaded_is_the_error(qwen: Engine) -> None:
    qwen.load_error = ModelLoadFailed("no checkpoint").to_dict()
    reply = create_app(qwen).test_client().get("/v1/voices?model=q&refresh=1")
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "model_load_failed")


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("?model=nothing", "unknown_model", "model"),
        ("?model=pocketsphinx/en-us", "invalid_request", "model"),
        ("?refresh=perhaps", "invalid_request", "refresh"),
    ],
)
def test_what_is_wrong_is_named(client: FlaskClient, query: str, code: str, param: str) -> None:
    error = client.get(f"/v1/voices{query}").json["error"]
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize("name", ["default", "alloy", "en-US+klatt4"])
def test_one_voice_is_told_by_each_of_its_names(client: FlaskClient, name: str) -> None:
    assert client.get(f"/v1/voices/{name}").json["voice_id"] == "en-US+klatt4"


def test_a_voice_that_nobody_has_is_not_found(client: FlaskClient) -> None:
    reply = client.get("/v1/voices/nobody")
    assert (reply.status_code, reply.json["error"]["code"]) == (404, "not_found")
