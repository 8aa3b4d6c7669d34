"""A data set made of recordings and their transcripts."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import soundfile

from servers.audio.loudness import measured
from servers.datasets.clips import check
from servers.datasets.recordings import LUFS, Recordings, cuts
from servers.errors import InvalidDataset, StorageFailed
from tests.datasets.made import RATE, longest_file, tone


def segment(start, end, text="A sentence that is said.", score=0.9):
    words = [{"word": word, "start": start, "end": end, "score": score} for word in text.split()]
    return {"start": start, "end": end, "text": text, "words": words}


def transcript(*segments):
    return {"segments": list(segments)}


def test_a_segment_is_cut_with_half_of_the_pauses_around_it_at_most():
    heard = transcript(segment(0.04, 3.0), segment(3.1, 5.0), segment(8.0, 9.9))
    first, second, third = cuts(heard, 10.0)
    assert (first.start, first.end) == pytest.approx((0.02, 3.05))
    assert (second.start, second.end) == pytest.approx((3.05, 5.2))
    assert (third.start, third.end) == pytest.approx((7.9, 9.95))


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        (segment(1.0, 1.4), "at least 1 s"),
        (segment(1.0, 40.0), "at most 20 s"),
        (segment(1.0, 4.0, score=0.1), "not surely heard"),
        (segment(1.0, 4.0, text=" "), "nothing was heard"),
        ({**segment(1.0, 4.0), "words": []}, "not surely heard"),
    ],
)
def test_a_segment_that_cannot_be_used_is_told_with_the_reason(heard, why):
    (cut,) = cuts(transcript(heard), 60.0)
    assert why in cut.why_not


def test_segments_become_a_data_set_that_passes_its_own_checks(tmp_path):
    tone(tmp_path / "long.wav", 20.0, level=0.02, rate=44_100)
    tone(tmp_path / "short.wav", 4.0, hertz=300, level=0.5)
    made = Recordings(tmp_path / "hero")
    made.add(tmp_path / "long.wav", transcript(segment(0.5, 3.0, "One."), segment(4.0, 14.0, "Two is long.")))
    made.add(tmp_path / "short.wav", transcript(segment(0.5, 3.5, "Three."), segment(3.6, 3.8, "No.")))
    packed = made.finish()
    lines = [json.loads(each) for each in (tmp_path / "hero" / "train.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == ["One.", "Two is long.", "Three."]
    report = check(tmp_path / "hero")
    assert (report.kept, report.findings) == (3, [])
    clips = [soundfile.read(tmp_path / "hero" / line["audio"], dtype="float32") for line in lines]
    assert [rate for _, rate in clips] == [RATE] * 3
    assert [len(samples) / RATE for samples, _ in clips] == pytest.approx([2.8, 10.3, 3.15], abs=0.01)
    assert [measured(samples, RATE).lufs for samples, _ in clips] == pytest.approx([LUFS] * 3, abs=1)
    reference, _ = soundfile.read(tmp_path / "hero" / "data" / "ref_audio.wav", dtype="float32")
    assert np.array_equal(reference, clips[1][0])
    with zipfile.ZipFile(packed) as archive:
        assert "train.jsonl" in archive.namelist()


def test_without_a_usable_segment_there_is_no_data_set(tmp_path):
    tone(tmp_path / "a.wav", 2.0)
    made = Recordings(tmp_path / "hero")
    made.add(tmp_path / "a.wav", transcript(segment(0.1, 0.3)))
    with pytest.raises(InvalidDataset, match="no segment"):
        made.finish()
    made.forget()
    assert not (tmp_path / "hero").exists()


def test_what_is_forgotten_after_it_was_packed_leaves_no_zip(tmp_path):
    tone(tmp_path / "a.wav", 12.0)
    made = Recordings(tmp_path / "hero")
    made.add(tmp_path / "a.wav", transcript(segment(0.5, 11.0)))
    assert made.finish().exists()
    made.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_clip_that_cannot_be_written_is_told_as_the_disks_fault(tmp_path):
    tone(tmp_path / "a.wav", 12.0)
    made = Recordings(tmp_path / "hero")
    with longest_file(1_000), pytest.raises(StorageFailed, match="the data set could not be stored"):
        made.add(tmp_path / "a.wav", transcript(segment(0.5, 11.0)))


@pytest.mark.parametrize("name", ["hero", "hero.zip"])
def test_what_is_there_is_not_written_over(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError) as refused:
        Recordings(tmp_path / "hero")
    assert refused.value.filename == str(tmp_path / name)
