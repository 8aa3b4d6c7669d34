"""skylark voice check, and skylark voice new."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from servers.cli import app
from tests.datasets.made import dataset, tone, zipped

from .stand_in_servers import refusal


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


def test_where_no_line_can_be_used_the_reasons_are_told_all_the_same(folder):
    for number in (1, 2, 3):
        tone(folder / "data" / f"seg_{number:08}.wav", 0.1)
    result = ran(folder)
    assert result.exit_code == 1
    assert result.stdout.count("too_short") == 3
    assert "none of its 3 lines can be used" in result.stderr


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


def test_a_server_is_asked_whether_each_recording_says_its_text(run, configured, home):
    dataset(home / "voice", 1)
    assert run("voice", "check", "voice", "--align", "--language", "en").exit_code == 0
    ((path, body, _),) = configured.requests
    assert path.endswith("/align")
    assert b"Sentence number 1 is said." in body
    assert b'name="language"\r\n\r\nen\r\n' in body


# new


def heard(*times):
    words = [{"word": "Said.", "start": 0.0, "end": 1.0, "score": 0.9}]
    segments = [
        {"start": start, "end": end, "text": "A sentence that is said.", "words": words}
        for start, end in times
    ]
    return 200, {}, {"text": "", "language": "en", "segments": segments, "words": [], "ignored": []}


def test_recordings_become_a_data_set_and_its_zip(run, configured, home):
    tone(home / "recordings" / "a.wav", 6.0)
    tone(home / "recordings" / "b.flac", 6.0, hertz=300)
    (home / "recordings" / "notes.txt").write_text("no audio")
    configured.replies["/transcribe"] = [heard((0.5, 2.5), (3.0, 3.4)), heard((1.0, 5.0))]
    result = run("voice", "new", "Hero", "recordings")
    assert result.exit_code == 0, result.output
    assert "recordings/a.wav: 1 of 2 segments" in result.stderr
    assert "recordings/a.wav: 2.9 to 3.6 s is left out: it lasts 0.7 s" in result.stderr
    assert "2 of 2 lines can be trained with" in result.stdout
    assert (home / "hero" / "train.jsonl").is_file()
    assert ran(home / "hero.zip").exit_code == 0


def test_a_recording_that_fails_is_told_and_the_others_are_used(run, configured, home):
    tone(home / "a.wav", 6.0)
    tone(home / "b.wav", 6.0, hertz=300)
    configured.replies["/transcribe"] = [
        refusal(422, "unsupported_audio", "no audio", "file"),
        heard((1.0, 5.0)),
    ]
    result = run("voice", "new", "hero", "a.wav", "b.wav")
    assert result.exit_code == 0
    assert "a.wav: file: no audio" in result.stderr
    assert "1 of 1 lines" in result.stdout


def test_where_nothing_can_be_used_nothing_is_left(run, configured, home):
    tone(home / "a.wav", 6.0)
    configured.replies["/transcribe"] = [refusal(422, "unsupported_audio", "no audio", "file")]
    assert run("voice", "new", "hero", "a.wav").exit_code == 1
    assert not (home / "hero").exists()


def test_a_folder_that_is_there_a_bad_name_and_no_audio_are_refused_unasked(run, configured, home):
    tone(home / "a.wav", 6.0)
    (home / "hero").mkdir()
    assert run("voice", "new", "hero", "a.wav").exit_code == 2
    assert "'Hero1' is possible" in run("voice", "new", "Hero_1", "a.wav").stderr
    assert "there is no audio in it" in run("voice", "new", "other", "hero").stderr
    assert configured.requests == []
