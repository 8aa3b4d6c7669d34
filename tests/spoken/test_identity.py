"""What makes two requests the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from servers.settings import settings
from servers.speech import ModelSpec
from servers.spoken.identity import LOOKED_AT_S, Models, speech_key
from tests.web import fixtures
from tests.web.fixtures import Configure

configure = fixtures.configure
PAYLOAD = {"task": "synthesize", "text": "Hello.", "voice": "a"}
FORM = ("whole", "wav", 24_000)
SAME = speech_key("alice", "model", PAYLOAD, FORM)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def spec(**options: Any) -> ModelSpec:
    return ModelSpec(backend="espeak", name="e", options=options)


def test_the_same_request_has_the_same_key_in_any_order() -> None:
    assert speech_key("alice", "model", dict(reversed(PAYLOAD.items())), FORM) == SAME


@pytest.mark.parametrize(
    "other",
    [
        speech_key("bob", "model", PAYLOAD, FORM),
        speech_key(None, "model", PAYLOAD, FORM),
        speech_key("alice", "other", PAYLOAD, FORM),
        speech_key("alice", "model", PAYLOAD | {"text": "hello."}, FORM),
        speech_key("alice", "model", PAYLOAD | {"seed": 1}, FORM),
        speech_key("alice", "model", PAYLOAD, ("whole", "mp3", 24_000)),
        speech_key("alice", "model", PAYLOAD, ("whole", "wav", 16_000)),
        speech_key("alice", "model", PAYLOAD, ("streamed", "wav", 24_000)),
    ],
)
def test_another_one_has_another_key(other: str) -> None:
    assert other != SAME


@pytest.fixture
def folders(configure: Configure, tmp_path: Path) -> Path:
    configure(
        SKYLARK_MODELS_DIR=str(tmp_path / "models"), SKYLARK_VOICEPACKS_DIR=str(tmp_path / "voicepacks")
    )
    return tmp_path


def test_an_option_is_part_of_a_model(folders: Path) -> None:
    models = Models(settings())
    first = models.identity(spec())
    assert models.identity(spec()) == first
    models = Models(settings())
    assert models.identity(spec(default_voice="en")) != first


@pytest.mark.parametrize(
    "changed",
    ["models/c/weights.bin", "models/c/skylark-manifest.json", "voicepacks/piper/joe/model.onnx"],
)
def test_a_file_that_changes_is_another_model(folders: Path, changed: str) -> None:
    clock, file = Clock(), folders / changed
    (folders / "models" / "c").mkdir(parents=True)
    (folders / "models" / "c" / "other.bin").write_text("o")
    models = Models(settings(), clock)
    model = spec(checkpoint="c")
    before = models.identity(model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({}))
    assert models.identity(model) == before
    clock.now_s += LOOKED_AT_S + 1
    assert models.identity(model) != before


def test_the_dtype_of_all_models_is_part_of_each(folders: Path, configure: Configure) -> None:
    before = Models(settings()).identity(spec())
    configure(TTS_DTYPE="float16")
    assert Models(settings()).identity(spec()) != before
