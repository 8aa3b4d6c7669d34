from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from servers.finetune.app import create_app
from tests.acceptance.processes import STAND_INS
from tests.buckets import fixtures as buckets
from tests.jobs.stand_in_engine import StandInEngine
from tests.web import fixtures

configure = fixtures.configure
moto_port, store = buckets.moto_port, buckets.store

MODELS = """
backends:
  espeak: {default: espeak-ng, models: {espeak-ng: {}}}
  pocketsphinx: {default: en-us, models: {en-us: {}}}
  cloner: {default: parrot, models: {parrot: {}}}
  designer: {default: tailor, models: {tailor: {}}}
"""


TRAINER = """
  qwen3_tts_training: {{default: tiny, models: {{tiny: {{checkpoint: {base}}}}}}}
"""


@pytest.fixture
def engine() -> StandInEngine:
    return StandInEngine()


@pytest.fixture
def models(configure: fixtures.Configure, tmp_path: Path) -> None:
    """One that designs voices and one that clones them."""
    (tmp_path / "models.yaml").write_text(MODELS)
    configure(SKYLARK_MODELS_FILE=str(tmp_path / "models.yaml"), SKYLARK_BACKENDS_PATH=f'["{STAND_INS}"]')


@pytest.fixture
def client(models: None, engine: StandInEngine) -> FlaskClient:
    return create_app(engine).test_client()


@pytest.fixture
def stored(models: None, configure: fixtures.Configure, store: Any, engine: StandInEngine) -> FlaskClient:
    """A client of a server with a bucket."""
    configure(**store.variables())
    return create_app(engine).test_client()


@pytest.fixture
def trainer(models: None, tmp_path: Path) -> None:
    """And one that trains, with a folder for a checkpoint."""
    if find_spec("qwen_tts") is None:  # its import takes long
        pytest.skip("needs the extra [qwen], for qwen_tts is not installed")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").touch()
    with (tmp_path / "models.yaml").open("a") as file:
        file.write(TRAINER.format(base=tmp_path / "base"))


@pytest.fixture
def training(trainer: None, configure: fixtures.Configure, store: Any, engine: StandInEngine) -> FlaskClient:
    """A client of a server that can train, with a bucket; its trainings go on by Lifecycle.step."""
    configure(**store.variables())
    return create_app(engine).test_client()
