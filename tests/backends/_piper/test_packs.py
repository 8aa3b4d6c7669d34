"""Which of Piper's voices are found, and what is said of one that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers.backends._piper.packs import Broken, Pack, all_packs, tag
from servers.checkpoints.folders import MANIFEST, begin
from servers.errors import ModelLoadFailed
from servers.settings import settings
from tests.backends import tiny_piper


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("models", "voicepacks"):
        monkeypatch.setenv(f"SKYLARK_{name.upper()}_DIR", str(tmp_path / name))
    catalogue = tmp_path / "checkpoints.yaml"
    catalogue.write_text("joe: {repo: a/b, licence: CC0-1.0, size_mb: 64}\n")
    monkeypatch.setenv("SKYLARK_CHECKPOINTS_FILE", str(catalogue))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def pack(home: Path, name: str = "tiny", **fields: object) -> Path:
    return tiny_piper.write_pack(home / "voicepacks", name, **fields)  # type: ignore[arg-type]


def changed(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(config))


def fault() -> str:
    (found,) = all_packs()
    assert isinstance(found, Broken)
    return found.error.message


def test_a_pack_is_found_by_its_folder(home):
    folder = pack(home, language="de-DE")
    (found,) = all_packs()
    assert isinstance(found, Pack)
    assert (found.name, found.model, found.languages) == ("tiny", folder / "model.onnx", ("de-DE",))
    assert (found.licence, found.sample_rate, dict(found.speakers)) == ("CC0-1.0", 22_050, {})
    assert list(found.sha256) == [folder / "model.onnx"]


def test_a_checkpoint_that_was_pulled_is_a_pack_with_its_licence_and_its_hashes(home):
    folder = tiny_piper.write_checkpoint(home / "models" / "joe", "en_US-joe-medium.onnx")
    (found,) = all_packs()
    assert isinstance(found, Pack)
    assert (found.name, found.languages, found.licence) == ("en_US-joe-medium", ("en-US",), "CC0-1.0")
    assert sorted(each.name for each in found.sha256) == [
        "en_US-joe-medium.onnx",
        "en_US-joe-medium.onnx.json",
    ]
    (folder / MANIFEST).write_text("{}")
    assert f"{folder / MANIFEST}: the file: " in fault()


def test_a_checkpoint_may_be_laid_out_as_a_pack_and_is_called_as_its_folder(home):
    tiny_piper.write_checkpoint(home / "models" / "joe", "model.onnx", "config.json")
    (found,) = all_packs()
    assert isinstance(found, Pack)
    assert (found.name, found.languages, found.licence) == ("joe", ("en-US",), "CC0-1.0")


def test_a_model_of_another_kind_is_no_voice(home):
    folder = tiny_piper.write_checkpoint(home / "models" / "other", "model.onnx", "config.json")
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    (folder / "encoder.onnx").touch()
    (folder / "encoder.onnx.json").write_text("{}")
    assert all_packs() == []


def test_a_pull_that_did_not_end_is_no_pack(home):
    folder = tiny_piper.write_checkpoint(home / "models" / "joe", "en_US-joe-medium.onnx")
    begin(folder)
    assert all_packs() == []


def test_the_checkpoint_that_is_asked_for_comes_first_and_of_one_name_the_first_is_it(home):
    pack(home, "en_US-joe-medium")
    pack(home, "another")
    folder = tiny_piper.write_checkpoint(home / "elsewhere", "en_US-joe-medium.onnx")
    found = all_packs(folder)
    assert [each.name for each in found] == ["en_US-joe-medium", "another"]
    assert isinstance(found[0], Pack)
    assert found[0].model.parent == folder


def test_a_checkpoint_that_is_not_there_or_has_no_voice_says_so(home):
    with pytest.raises(ModelLoadFailed, match="run `skylark models pull joe`"):
        all_packs(Path("joe"))
    (home / "empty").mkdir()
    (home / "empty" / "model.bin").touch()
    with pytest.raises(ModelLoadFailed, match="holds no Piper voice"):
        all_packs(home / "empty")


def test_a_broken_pack_leaves_the_others(home):
    (pack(home, "bad") / "model.onnx").unlink()
    pack(home, "good")
    bad, good = all_packs()
    assert isinstance(bad, Broken)
    assert isinstance(good, Pack)


def test_a_pack_without_its_model_or_its_config_names_the_file(home):
    folder = pack(home)
    (folder / "model.onnx").rename(folder / "elsewhere")
    assert f"{folder / 'model.onnx'}: no such file" in fault()
    (folder / "elsewhere").rename(folder / "model.onnx")
    (folder / "config.json").unlink()
    assert f"{folder / 'config.json'}: no such file" in fault()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"audio": {"sample_rate": 1}}, "audio.sample_rate: "),
        ({"espeak": {}}, "espeak.voice: "),
        ({"num_speakers": 0}, "num_speakers: "),
        ({"phoneme_type": "pinyin"}, "phoneme_type: "),
        ({"phoneme_id_map": {"a": []}}, "phoneme_id_map.a: "),
        ({"phoneme_id_map": {"a": [1]}}, "phoneme_id_map: it has no _ ^ $"),
        ({"num_symbols": 3}, "phoneme_id_map: an id is not below num_symbols, 3"),
        ({"speaker_id_map": {"ann": 1}}, "speaker_id_map.ann: there are 1 speakers"),
        ({"default_speaker_id": 4}, "default_speaker_id: there are 1 speakers"),
    ],
)
def test_what_is_wrong_with_a_config_is_told_with_its_file_and_field(home, fields, said):
    folder = pack(home)
    changed(folder, **fields)
    assert f"{folder / 'config.json'}: {said}" in fault()


def test_a_config_that_is_no_json_is_told(home):
    folder = pack(home)
    (folder / "config.json").write_text("{")
    assert f"{folder / 'config.json'}: the file: Invalid JSON" in fault()


def test_metadata_whose_rate_is_not_the_models_is_told(home):
    folder = pack(home)
    changed(folder, audio={"sample_rate": 16_000})
    assert f"{folder / 'metadata.yaml'}: audio.sample_rate: 22050 is not the 16000" in fault()


def test_speakers_have_their_names_or_their_numbers(home):
    folder = pack(home, speakers=("ann", "bob"))
    (found,) = all_packs()
    assert isinstance(found, Pack)
    assert (dict(found.speakers), found.default_speaker) == ({"ann": 0, "bob": 1}, 0)
    changed(folder, speaker_id_map={}, default_speaker_id=1)
    (found,) = all_packs()
    assert isinstance(found, Pack)
    assert (dict(found.speakers), found.default_speaker) == ({"0": 0, "1": 1}, 1)


@pytest.mark.parametrize(
    ("code", "expected"), [("en_US", "en-US"), ("en-us", "en-US"), ("de", "de"), ("PT_br", "pt-BR")]
)
def test_a_language_is_a_tag_however_it_is_written(code, expected):
    assert tag(code) == expected
