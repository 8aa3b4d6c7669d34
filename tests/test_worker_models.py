"""What the names of worker.yaml mean, and the models.yaml that a worker's engine is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servers.catalog import Catalog
from servers.settings import Settings, SettingsError
from servers.worker_config import ModelManager
from servers.worker_models import Names, WorkerModels, needs_gpu

MODELS = """
backends:
  espeak: {default: plain, models: {plain: {pin: true}, deep: {default_voice: en-US+m3, vram_mb: 7}}}
  pocketsphinx: {default: en-us, models: {en-us: {preload: true}}}
  fake: {default: one, models: {one: {}, two: {chunks: 2}}}
"""
STAND_INS = Path(__file__).parent / "stand_ins"


@pytest.fixture
def loaded(tmp_path: Path) -> Settings:
    (tmp_path / "models.yaml").write_text(MODELS)
    return Settings(models_file=tmp_path / "models.yaml", backends_path=[STAND_INS])


def models(
    loaded: Settings, adapter: str | None = None, default: str | None = None, **keys: Any
) -> WorkerModels:
    manager = ModelManager.model_validate({"default_model_id": "espeak-deep"} | keys)
    return Names(loaded).of(manager, adapter, default)


def wanted(*of: Any, **keys: Any) -> list[str]:
    return ["/".join(spec.key) for spec in models(*of, **keys).wanted]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("espeak-deep", "espeak/deep"),
        ("espeak/deep", "espeak/deep"),
        ("deep", "espeak/deep"),
        ("espeak", "espeak/plain"),
        ("fake-two", "fake/two"),
        ("mock", "mock/tone"),
        ("mock-tone", "mock/tone"),
    ],
)
def test_a_family_and_a_model_of_it_are_one_word(loaded, name, model):
    assert wanted(loaded, default_model_id=name) == [model]


def test_a_family_with_a_voice_is_a_model_that_speaks_with_it(loaded):
    (spec,) = models(loaded, default_model_id="espeak-en-GB").wanted
    assert (spec.key, spec.options) == (("espeak", "en-GB"), {"default_voice": "en-GB"})


@pytest.mark.parametrize(
    ("adapter", "default", "model"),
    [
        (None, None, "espeak/deep"),
        ("espeak", None, "espeak/deep"),
        ("mock", None, "mock/tone"),
        ("fake", None, "fake/one"),
        ("espeak", "espeak-plain", "espeak/plain"),
        (None, "fake-two", "fake/two"),
    ],
)
def test_the_adapter_and_the_default_of_the_command_win_over_the_file(loaded, adapter, default, model):
    assert wanted(loaded, adapter, default) == [model]


@pytest.mark.parametrize(
    ("adapter", "default", "said"),
    [
        ("xtts", None, r"--adapter: there is no backend 'xtts' here: possible are espeak, fake, mock"),
        ("pocketsphinx", None, "--adapter: there is no backend 'pocketsphinx'"),
        ("mock", "espeak-plain", "--default: 'espeak-plain' is a model of espeak, and not of mock"),
        (None, "cosyvoice2-en-base", "--default: 'cosyvoice2-en-base' is of no family that is here"),
        (None, "espeak/nobody", "--default: 'espeak/nobody'"),
        (None, "piper-en-us-nobody", "--default: 'piper-en-us-nobody'"),
    ],
)
def test_what_is_not_here_is_refused_with_what_is(loaded, adapter, default, said):
    with pytest.raises(SettingsError, match=said):
        models(loaded, adapter, default)


def test_the_keys_of_the_file_are_named_where_they_are_at_fault(loaded):
    for key, value in (("default_model_id", "xtts-v2-en-demo"), ("preload_model_ids", ["xtts-v2-en-demo"])):
        with pytest.raises(SettingsError, match=rf"model_manager\.{key}: 'xtts-v2-en-demo'"):
            models(loaded, **{key: value})


def test_the_default_and_the_preloaded_are_loaded_at_the_start_and_nothing_else_is(loaded, tmp_path):
    found = models(loaded, preload_model_ids=["fake-two", "espeak-deep", "mock"])
    found.write(tmp_path / "worker.yaml")
    catalog = Catalog.load(tmp_path / "worker.yaml")
    at_start = {"/".join(spec.key) for spec in catalog if spec.preload or spec.pin}
    assert at_start == {"espeak/deep", "fake/two", "mock/tone"}
    assert {"/".join(spec.key) for spec in catalog} == at_start | {"espeak/plain", "fake/one"}
    assert catalog.resolve("espeak").options == {"default_voice": "en-US+m3"}
    assert (catalog.resolve("espeak").vram_mb, catalog.resolve("fake").name) == (7, "two")
    assert found.model_types == ["espeak", "fake", "mock"]


def test_more_than_may_be_resident_are_refused(loaded):
    with pytest.raises(
        SettingsError, match=r"model_manager\.resident_cap: 1 are fewer .* espeak/deep, fake/one"
    ):
        models(loaded, preload_model_ids=["fake-one"], resident_cap=1)
    assert len(models(loaded, preload_model_ids=["espeak-deep"], resident_cap=1).wanted) == 1


def test_a_model_that_is_not_here_is_said_before_anything_starts(loaded):
    loaded.models_file.write_text(
        "backends: {qwen3_tts: {default: base, models: {base: {checkpoint: nowhere}}}}"
    )
    with pytest.raises(SettingsError, match="qwen3_tts/base cannot be loaded"):
        models(loaded, default_model_id="qwen3-tts")


def test_a_backend_that_needs_no_gpu_says_so(loaded):
    assert not needs_gpu(models(loaded, "mock"), [STAND_INS])
    assert needs_gpu(models(loaded, "fake"), [STAND_INS])
