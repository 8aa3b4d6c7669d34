"""What is read of a voice pack, and what is said of one that is wrong."""

from __future__ import annotations

import hashlib

import pytest
import yaml

from servers import voicepacks
from servers.errors import ModelLoadFailed
from servers.settings import settings

SEED = """
family: "xtts-v2"
model_id: "en-demo"
version: "2.0"

capabilities:
  streaming: true
  zero_shot: true
  lora: false
  cpu_ok: false
  emotive_zero_prompt: true

languages: ["en"]

audio:
  sample_rate: 22050
  channels: 1

size:
  vram_mb: 4096
  disk_mb: 2048

tags:
  - "english"
  - "streaming"
  - "high-quality"
"""


@pytest.fixture
def pack(tmp_path, monkeypatch):
    monkeypatch.setenv("SKYLARK_VOICEPACKS_DIR", str(tmp_path))
    settings.cache_clear()
    folder = tmp_path / "xtts-v2" / "en-demo"
    (folder / "ref").mkdir(parents=True)
    (folder / "ref" / "seed.wav").touch()
    (folder / "metadata.yaml").write_text(SEED)
    yield folder
    settings.cache_clear()


def changed(folder, **fields):
    said = yaml.safe_load(SEED) | fields
    kept = {name: value for name, value in said.items() if value is not None}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(kept))


def test_the_pack_of_the_seed_is_read_as_it_stands_there(pack):
    said = voicepacks.read_metadata(pack)
    assert (said.family, said.model_id, said.version) == ("xtts-v2", "en-demo", "2.0")
    assert (said.languages, said.audio.sample_rate, said.size.vram_mb) == (("en",), 22_050, 4096)
    assert said.capabilities.zero_shot
    assert (said.licence, said.sha256) == (None, {})


def test_a_familys_packs_are_its_folders_and_their_reference_audio_is_in_ref(pack):
    (pack.parent / ".hidden").mkdir()
    (pack.parent / "a file").touch()
    assert voicepacks.folders("xtts-v2") == [pack]
    assert voicepacks.folders("piper") == []
    assert voicepacks.references(pack) == [pack / "ref" / "seed.wav"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"languages": []}, "languages: "),
        ({"languages": ["English!"]}, "languages.0: "),
        ({"audio": {"sample_rate": "fast"}}, "audio.sample_rate: "),
        ({"audio": {"sample_rate": 22050, "channels": 2}}, "audio.channels: "),
        ({"audio": None}, "audio: is missing"),
        ({"version": 2.0}, "version: "),
        ({"licence": 7}, "licence: "),
        ({"language": "en"}, "language: there is no such key"),
        ({"sha256": {"model.onnx": "abc"}}, "sha256.model.onnx: "),
        ({"family": "piper"}, "family: 'piper' lies in the folder 'xtts-v2'"),
        ({"model_id": "other"}, "model_id: 'other' lies in the folder 'en-demo'"),
    ],
)
def test_what_is_wrong_with_a_pack_is_told_with_its_file_and_field(pack, fields, said):
    changed(pack, **fields)
    with pytest.raises(ModelLoadFailed) as raised:
        voicepacks.read_metadata(pack)
    assert f"{pack / 'metadata.yaml'}: {said}" in raised.value.message
    assert raised.value.param == "voice"


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("a: [b", "not YAML: line ")])
def test_metadata_that_is_missing_or_no_yaml_is_told_with_its_file(pack, content, said):
    (pack / "metadata.yaml").unlink()
    if content is not None:
        (pack / "metadata.yaml").write_text(content)
    with pytest.raises(ModelLoadFailed) as raised:
        voicepacks.read_metadata(pack)
    assert f"{pack / 'metadata.yaml'}: {said}" in raised.value.message


def test_a_file_whose_hash_differs_is_told(pack):
    model = pack / "model.safetensors"
    model.write_bytes(b"weights")
    voicepacks.check_hashes({model: hashlib.sha256(b"weights").hexdigest()})
    with pytest.raises(ModelLoadFailed, match=r"model\.safetensors: sha256: the file differs"):
        voicepacks.check_hashes({model: "0" * 64})
    with pytest.raises(ModelLoadFailed, match="gone: no such file"):
        voicepacks.check_hashes({pack / "gone": "0" * 64})
