"""What the engine makes of models.yaml and of its settings at the start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from servers.backends.base import About
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.fleet import Fleet
from servers.engine.models import LOAD_ERROR_S, Phase
from servers.errors import ModelLoadFailed
from servers.settings import Engine
from servers.speech import ModelSpec
from servers.trained_voices import TrainedVoice, TrainedVoices

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


@pytest.mark.parametrize("everything", [False, True])
def test_what_models_yaml_names_for_the_start_is_awaited_until_it_is_loaded(
    catalog: Catalog, everything: bool
) -> None:
    models = fleet(catalog, preload_models=everything).models
    assert (models[QWEN].awaited, models[ESPEAK].awaited) == (False, True)
    models[ESPEAK].loaded(About(), 1.0)
    assert not models[ESPEAK].awaited


def test_one_that_is_awaited_is_tried_again_once_its_failure_is_forgotten(catalog: Catalog) -> None:
    models = fleet(catalog, preload_models=True).models
    for model in models.values():
        model.fail(ModelLoadFailed("not now"), 1.0)
        model.forget_failure(1.0 + LOAD_ERROR_S)
        assert not model.wanted
        model.forget_failure(1.1 + LOAD_ERROR_S)
    assert (models[QWEN].wanted, models[ESPEAK].wanted) == (False, True)


def test_one_that_somebody_unloads_is_awaited_no_longer(catalog: Catalog) -> None:
    served = fleet(catalog)
    served.unload(ESPEAK)
    assert not served.models[ESPEAK].awaited


def test_a_voice_that_is_trained_meanwhile_is_a_model_until_it_is_removed(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MODELS)
    voices = TrainedVoices(tmp_path)
    found = fleet(Catalog.load(tmp_path / "models.yaml", voices))
    before = found.models
    voices.add(TrainedVoice(id="hero1", speaker="hero", checkpoint=tmp_path))
    found.look()
    hero = found.models["qwen3_tts", "hero1"]
    assert set(before) == {QWEN, ESPEAK}, "other threads look through what was there"
    assert found.models[QWEN] is before[QWEN]
    hero.phase = Phase.READY
    voices.remove("hero1")
    found.look()
    assert hero.key in found.models, "its process is there still"
    hero.phase = Phase.ABSENT
    found.look()
    assert set(found.models) == {QWEN, ESPEAK}
