from __future__ import annotations

import sys

import pytest

from servers.errors import InvalidRequest, MissingExtra
from servers.text import nemo
from servers.text.nemo import normalize


def test_the_seeds_example_and_a_second_reading_of_the_grammar(tmp_path):
    pytest.importorskip("nemo_text_processing", reason="NeMo is not installed: uv pip install -e '.[nemo]'")
    for _ in range(2):
        spoken = normalize("The $45.50 item ships Jan 3, 2025.\n\nAt 5 p.m.", tmp_path)
        assert spoken == (
            "The forty five dollars fifty cents item ships january third, twenty twenty five.\n\nAt five PM"
        )
        nemo._normalizer.cache_clear()
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unknown_language_is_said_with_the_known_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(nemo, "require", lambda *_: None)
    with pytest.raises(InvalidRequest, match=r"possible are .*english.*swedish"):
        normalize("text", tmp_path, "russian")


def test_without_nemo_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nemo_text_processing", None)
    with pytest.raises(MissingExtra, match=r"'nemo'.*nemo_text_processing"):
        normalize("text", tmp_path)
