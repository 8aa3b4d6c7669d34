"""skylark voice check."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from servers.cli import app
from tests.datasets.made import dataset, tone, zipped


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "voice"
    made.mkdir()
    dataset(made)
    return made


def ran(*arguments):
    return CliRunner().invoke(app, ["voice", "check", *map(str, arguments)])


def test_a_good_data_set_is_said_to_be_good(folder, tmp_path):
    for dataset_path in (folder, zipped(folder, tmp_path / "voice.zip")):
        result = ran(dataset_path)
        assert result.exit_code == 0, result.output
        assert "3 of 3 lines can be trained with: 6.0 s of speech" in result.stdout


def test_a_line_that_is_left_out_is_told_and_the_exit_code_says_so(folder):
    tone(folder / "data" / "seg_00000002.wav", 0.1)
    result = ran(folder)
    assert result.exit_code == 1
    assert "too_short" in result.stdout
    assert "2 of 3 lines" in result.stdout
    assert "1 too_short" in result.stderr


def test_the_report_can_be_had_as_json(folder):
    report = json.loads(ran(folder, "--json").stdout)
    assert report == {
        "lines": 3, "kept": 3, "kept_s": 6.0, "reference": "./data/ref_audio.wav", "findings": [],
    }  # fmt: skip


def test_what_is_no_data_set_is_refused_in_a_line(tmp_path):
    (tmp_path / "poem.zip").write_text("no zip")
    result = ran(tmp_path / "poem.zip")
    assert result.exit_code == 1
    assert "no zip that can be read" in result.stderr
