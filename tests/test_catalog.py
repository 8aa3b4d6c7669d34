from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from servers import catalog
from servers.backends.load import backend_class, check_models
from servers.catalog import EXAMPLE, Catalog
from servers.errors import UnknownModel
from servers.settings import ROOT, SettingsError

TWO = """
backends:
  voice:
    default: small
    models:
      small: {}
      large: {weights: /models/large}
  ear:
    default: only
    models: {only: {}}
"""


@pytest.fixture
def load(tmp_path):
    def load(content: str) -> Catalog:
        path = tmp_path / "models.yaml"
        path.write_text(content)
        return Catalog.load(path)

    return load


@pytest.fixture
def default(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "models.yaml"
    monkeypatch.setattr(catalog, "DEFAULT", path)
    return path


def test_the_default_file_is_made_with_its_comments_and_never_changed_again(default):
    assert list(Catalog.load(default)) == list(Catalog.load(EXAMPLE))
    assert default.read_text() == EXAMPLE.read_text()
    default.write_text(TWO)
    assert Catalog.load(default).resolve("voice").name == "small"
    assert list(default.parent.iterdir()) == [default]


def test_servers_that_start_at_once_all_find_a_whole_file(default):
    with ThreadPoolExecutor(8) as pool:
        catalogs = list(pool.map(Catalog.load, [default] * 32))
    assert all(list(found) == list(Catalog.load(EXAMPLE)) for found in catalogs)


def test_the_example_has_backends_and_defaults():
    catalog = Catalog.load(EXAMPLE)
    for spec in catalog:
        backend_class(spec.backend).options.model_validate(spec.options)


def test_a_model_is_found_by_name_or_is_the_default(load):
    catalog = load(TWO)
    assert catalog.resolve("voice").name == "small"
    large = catalog.resolve("voice", "large")
    assert large.key == ("voice", "large")
    assert large.options == {"weights": "/models/large"}


def test_all_models_come_in_the_files_order(load):
    assert [spec.key for spec in load(TWO)] == [("voice", "small"), ("voice", "large"), ("ear", "only")]


def test_unknown_names_list_the_known_ones(load):
    with pytest.raises(UnknownModel, match="known are voice, ear") as raised:
        load(TWO).resolve("nose")
    assert raised.value.param == "model_type"
    with pytest.raises(UnknownModel, match="known are small, large") as raised:
        load(TWO).resolve("voice", "huge")
    assert raised.value.param == "model"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("backends: {}", "backends: "),
        ("backends: {voice: {models: {a: {}}}}", "backends.voice.default: "),
        ("backends: {voice: {default: a, models: {}}}", "backends.voice.models: "),
        ("backends: {voice: {default: b, models: {a: {}}}}", "backends.voice.default: 'b' is not one of a"),
        ("backends: {voice: {default: a, models: {a: 1}}}", "backends.voice.models.a: "),
        ("backends: {voice: {default: a, models: {a: {}}, x: 1}}", "backends.voice.x: "),
        ("models: {}", "backends: "),
        ("backends: [", "not YAML"),
    ],
)
def test_a_bad_file_is_named_with_its_key(load, tmp_path, content, complaint):
    with pytest.raises(SettingsError) as raised:
        load(content)
    assert str(raised.value).startswith(f"{tmp_path / 'models.yaml'}: {complaint}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"models\.yaml: No such file or directory \(models_file\)"):
        Catalog.load(tmp_path / "models.yaml")


def test_the_commented_examples_are_entries_whose_checkpoints_can_be_pulled(tmp_path):
    commented = EXAMPLE.read_text()
    file = tmp_path / "models.yaml"
    file.write_text(re.sub(r"^  #(?! \S)", "  ", commented, flags=re.MULTILINE))
    catalog = Catalog.load(file)
    check_models(catalog, file)
    named = {catalog.resolve(*key).options["checkpoint"] for key in (("qwen3_tts",), ("whisperx",))}
    named |= {spec.options["checkpoint"] for spec in catalog if spec.backend == "qwen3_tts"}
    assert len(named) == 6
    assert named <= set(yaml.safe_load((ROOT / "config" / "checkpoints.yaml").read_text()))
