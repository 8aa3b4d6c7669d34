from __future__ import annotations

import pytest

from servers.backends.load import backend_class
from servers.catalog import Catalog
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


def test_the_repositorys_own_models_have_backends_and_defaults():
    catalog = Catalog.load(ROOT / "config" / "models.yaml")
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
