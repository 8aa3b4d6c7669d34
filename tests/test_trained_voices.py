"""Voices that were trained are models beside those of models.yaml, from the moment on that they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servers.catalog import Catalog
from servers.errors import UnknownModel
from servers.trained_voices import TrainedVoice, TrainedVoices

MODELS = """
backends:
  espeak: {default: espeak-ng, models: {espeak-ng: {}}}
  qwen3_tts: {default: large, models: {large: {checkpoint: base, vram_mb: 8000}}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "models.yaml").write_text(MODELS)
    return Catalog.load(tmp_path / "models.yaml", TrainedVoices(tmp_path))


def voice(name: str, tmp_path: Path) -> TrainedVoice:
    return TrainedVoice(id=name, speaker="hero", checkpoint=tmp_path / name)


def test_a_voice_is_a_model_as_soon_as_another_process_has_added_it(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        catalog.find("hero1")
    elsewhere = TrainedVoices(tmp_path)
    elsewhere.add(voice("hero1", tmp_path))
    found = catalog.find("hero1")
    assert found == catalog.resolve("qwen3_tts", "hero1")
    assert (found.key, found.vram_mb) == (("qwen3_tts", "hero1"), 8000)
    assert found.options == {"checkpoint": str(tmp_path / "hero1")}
    assert [spec.name for spec in catalog] == ["espeak-ng", "large", "hero1"]
    assert [spec.name for spec in catalog.listed()] == ["espeak-ng", "large"]
    elsewhere.remove("hero1")
    with pytest.raises(UnknownModel):
        catalog.resolve("qwen3_tts", "hero1")


def test_two_that_come_within_one_tick_of_the_folders_clock_are_both_seen(tmp_path: Path) -> None:
    voices = TrainedVoices(tmp_path)
    voices.add(voice("one", tmp_path))
    assert [each.id for each in voices] == ["one"]
    tick = (tmp_path / "trained_voices").stat().st_mtime_ns
    voices.add(voice("two", tmp_path))
    os.utime(tmp_path / "trained_voices", ns=(tick, tick))
    assert [each.id for each in voices] == ["one", "two"]


def test_a_folder_that_does_not_change_is_not_read_again(tmp_path: Path) -> None:
    voices = TrainedVoices(tmp_path)
    voices.add(voice("one", tmp_path))
    long_ago = 1_000_000_000 * 10**9
    os.utime(tmp_path / "trained_voices", ns=(long_ago, long_ago))
    seen = tuple(voices)
    (tmp_path / "trained_voices" / "one.json").write_text("not read")
    assert tuple(voices) == seen


def test_without_a_listed_model_of_the_backend_a_voice_is_one_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("backends: {espeak: {default: a, models: {a: {}}}}")
    catalog = Catalog.load(tmp_path / "models.yaml", [voice("hero1", tmp_path)])
    assert catalog.resolve("qwen3_tts", "hero1").vram_mb == 0
    with pytest.raises(UnknownModel, match="no model_type"):
        catalog.resolve("qwen3_tts")
