"""What the engine makes of models.yaml and of its settings at the start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.fleet import Fleet
from servers.settings import Engine
from servers.speech import ModelSpec

MODELS = """
backends:
  qwen3_tts: {default: q, models: {q: {checkpoint: c, max_batch: 6}}}
  espeak: {default: e, models: {e: {preload: true}}}
"""
QWEN, ESPEAK = ("qwen3_tts", "q"), ("espeak", "e")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "models.yaml").write_text(MODELS)
    return Catalog.load(tmp_path / "models.yaml")


def started(model: ModelSpec) -> None:
    raise AssertionError(f"{model.name} is not to be started yet")


def fleet(catalog: Catalog, **settings: object) -> Fleet:
    limits = Engine.model_validate(settings)
    return Fleet(catalog, partial(backend_class), limits, Device("cpu"), started, lambda: 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("most", "batches"), [(None, (6, 1)), (4, (4, 1)), (100, (6, 1)), (1, (1, 1))])
def test_a_model_is_given_as_many_requests_as_it_takes_and_the_settings_allow(
    catalog: Catalog, most: int | None, batches: tuple[int, int]
) -> None:
    models = fleet(catalog, max_concurrency_per_model=most).models
    assert (models[QWEN].max_batch, models[ESPEAK].max_batch) == batches


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_wanted_at_the_start_is_loaded_before_anybody_asks(
    catalog: Catalog, everything: bool
) -> None:
    models = fleet(catalog, preload_models=everything).models
    assert (models[QWEN].wanted, models[ESPEAK].wanted) == (everything, True)
