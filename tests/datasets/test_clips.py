"""A data set's lines: which are kept, and what is said of the others."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from servers.datasets.clips import check
from servers.datasets.report import Code
from servers.errors import InvalidDataset
from tests.datasets.made import RATE, dataset, line, tone, write


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def said(report, number):
    return [finding.code for finding in report.findings if finding.line == number]


def with_line(folder, audio, text="A sentence that is said.", **more):
    """What is found of a line after three good ones, which are kept."""
    lines = [*dataset(folder), line(audio, text, **more)]
    write(folder, lines)
    report = check(folder)
    assert not [finding for finding in report.findings if finding.line < 4]
    assert report.lines == 4
    assert report.kept == 3 + all(not each.leaves_out for each in report.findings)
    return said(report, 4)


def test_a_good_data_set_is_kept_whole(folder):
    dataset(folder)
    report = check(folder)
    assert (report.lines, report.kept, report.kept_s, report.findings) == (3, 3, 6.0, [])
    assert report.reference == "./data/ref_audio.wav"


def test_a_report_is_json_and_back(folder):
    dataset(folder)
    tone(folder / "data" / "seg_00000002.wav", 0.1)
    report = check(folder)
    assert report.findings
    assert type(report).model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("seconds", "level", "code"),
    [(0.1, 0.2, Code.TOO_SHORT), (31.0, 0.2, Code.TOO_LONG), (2.0, 0.0005, Code.SILENT)],
)
def test_a_recording_that_is_short_long_or_silent_is_left_out(folder, seconds, level, code):
    tone(folder / "data" / "odd.wav", seconds, level=level)
    assert code in with_line(folder, "data/odd.wav", "A sentence that is said. " * max(1, round(seconds / 8)))


def test_a_recording_of_another_rate_is_kept_and_said(folder):
    tone(folder / "data" / "odd.wav", hertz=300, rate=44_100)
    assert with_line(folder, "data/odd.wav") == [Code.RESAMPLED]


def test_a_recording_that_is_cut_off_is_kept_and_said(folder):
    loud = np.clip(3 * np.sin(np.arange(2 * RATE) / 20), -1, 1)
    (folder / "data").mkdir()
    soundfile.write(folder / "data" / "odd.wav", loud, RATE, subtype="PCM_16")
    assert with_line(folder, "data/odd.wav") == [Code.CLIPPED]


@pytest.mark.parametrize(
    "name", ["data/none.wav", "../outside.wav", "/etc/passwd", "data", "a\0.wav", "a" * 300 + ".wav", ""]
)
def test_a_recording_that_is_not_there_is_left_out(folder, name):
    tone(folder.parent / "outside.wav")
    code = Code.MISSING_AUDIO
    assert with_line(folder, name) == [code]


def test_a_link_out_of_the_data_set_is_not_followed(folder):
    tone(folder.parent / "outside.wav")
    (folder / "data").mkdir()
    (folder / "data" / "odd.wav").symlink_to(folder.parent / "outside.wav")
    assert with_line(folder, "data/odd.wav") == [Code.UNREADABLE_AUDIO]


def test_what_is_no_audio_is_left_out(folder):
    (folder / "data").mkdir()
    (folder / "data" / "odd.wav").write_text("I am a poem.")
    assert with_line(folder, "data/odd.wav") == [Code.UNREADABLE_AUDIO]


@pytest.mark.parametrize(
    ("text", "code"),
    [("…!", Code.NO_WORDS), ("word " * 40, Code.TOO_FAST), ("A", Code.TOO_SLOW)],
)
def test_a_text_that_is_none_or_does_not_go_with_its_length_is_left_out(folder, text, code):
    tone(folder / "data" / "odd.wav", hertz=300)
    assert code in with_line(folder, "data/odd.wav", text)


def test_of_the_same_recording_the_first_is_kept(folder):
    assert with_line(folder, "data/seg_00000001.wav") == [Code.SAME_AUDIO]


def test_another_reading_of_a_text_is_kept_and_said(folder):
    tone(folder / "data" / "odd.wav", hertz=300)
    assert with_line(folder, "data/odd.wav", "sentence  Number 1 is said.") == [Code.SAME_TEXT]


def test_a_reference_that_cannot_be_used_leaves_its_lines_out(folder):
    tone(folder / "data" / "odd.wav", hertz=300)
    tone(folder / "data" / "ten_ms.wav", 0.01)
    assert with_line(folder, "data/odd.wav", ref_audio="data/ten_ms.wav") == [Code.BAD_REFERENCE]


def test_one_reference_is_used_for_all(folder):
    tone(folder / "data" / "odd.wav", hertz=300)
    tone(folder / "data" / "other_ref.wav", 3.0)
    assert with_line(folder, "data/odd.wav", ref_audio="data/other_ref.wav") == [Code.OTHER_REFERENCE]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{not json", Code.NOT_JSON),
        ("\ufffd" + "[" * 100_000, Code.NOT_JSON),
        ("[1, 2]", Code.MISSING_FIELD),
        ('{"audio": "a.wav", "text": "No reference."}', Code.MISSING_FIELD),
        ('{"audio": 1, "text": "A number.", "ref_audio": "r.wav"}', Code.MISSING_FIELD),
    ],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(folder, written, code):
    dataset(folder)
    with (folder / "train.jsonl").open("a") as file:
        file.write(f"\n{written}\n")
    report = check(folder)
    assert (report.lines, report.kept) == (4, 3)
    assert said(report, 5) == [code]


def test_a_mark_of_the_byte_order_and_other_fields_are_no_fault(folder):
    lines = dataset(folder)
    text = "".join(json.dumps({**each, "speaker": "hero"}) + "\r\n" for each in lines)
    (folder / "train.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert check(folder).findings == []


def test_where_nothing_can_be_used_it_is_refused_with_the_first_reason(folder):
    write(folder, [line("data/none.wav", "Nothing is there.")])
    with pytest.raises(InvalidDataset, match="none of its 1 lines can be used: ref_audio"):
        check(folder).check_usable()
    write(folder, [])
    with pytest.raises(InvalidDataset, match=r"train\.jsonl is empty"):
        check(folder).check_usable()
    (folder / "train.jsonl").unlink()
    with pytest.raises(InvalidDataset, match=r"no train\.jsonl"):
        check(folder)
