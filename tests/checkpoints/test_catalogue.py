"""Which checkpoints a name stands for."""

from __future__ import annotations

import pytest

from servers.catalog import Catalog
from servers.checkpoints.catalogue import Catalogue
from servers.errors import UnknownCheckpoint
from servers.settings import ROOT, SettingsError

CHECKPOINTS = """
voice: {repo: org/voice, licence: Apache-2.0, size_mb: 10}
align-de: {repo: org/align-de, licence: MIT, size_mb: 10}
"""
MODELS = """
backends:
  espeak: {default: espeak-ng, models: {espeak-ng: {}}}
  speaker:
    default: alto
    models:
      alto: {checkpoint: voice, align: {de: align-de, fr: elsewhere}, language: de}
      own: {checkpoint: /nowhere/own}
"""


@pytest.fixture
def models_file(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text(MODELS)
    return path


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "checkpoints.yaml"
    path.write_text(CHECKPOINTS)
    return Catalogue.load(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("voice", ["voice"]),
        ("alto", ["voice", "align-de"]),
        ("speaker/alto", ["voice", "align-de"]),
        ("own", ["/nowhere/own"]),
    ],
)
def test_a_name_is_a_checkpoints_or_a_models(catalogue, models_file, name, expected):
    assert catalogue.named(name, models_file) == expected


def test_a_checkpoint_is_found_whatever_models_yaml_says(catalogue, models_file):
    models_file.write_text("backends: [")
    assert catalogue.named("voice", models_file) == ["voice"]
    with pytest.raises(SettingsError):
        catalogue.named("alto", models_file)


def test_what_several_names_need_is_pulled_once(catalogue, models_file):
    assert list(catalogue.to_pull(["alto", "align-de", "voice"], models_file)) == ["voice", "align-de"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "tenor",
            "no checkpoint is called 'tenor'; known are voice, align-de; and there is no model 'tenor'",
        ),
        ("espeak-ng", "espeak/espeak-ng needs no checkpoint"),
        ("own", r"own needs /nowhere/own, which .*checkpoints\.yaml does not have"),
    ],
)
def test_what_cannot_be_pulled_is_an_error_that_says_why(catalogue, models_file, name, says):
    with pytest.raises(UnknownCheckpoint, match=says):
        catalogue.to_pull([name], models_file)


def test_the_models_that_come_with_skylark_need_only_what_can_be_pulled():
    catalogue = Catalogue.load(ROOT / "config" / "checkpoints.yaml")
    models = Catalog.load(ROOT / "config" / "models.example.yaml")
    assert {name for model in models for name in catalogue.needed_by(model)} <= set(catalogue.specs)
