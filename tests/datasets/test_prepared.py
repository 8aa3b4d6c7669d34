"""A data set as it is trained with: what is kept of one, whole or not there."""

from __future__ import annotations

import pytest
import soundfile

from servers.datasets.clips import check
from servers.datasets.prepared import Prepared, prepare
from servers.datasets.report import Report
from servers.errors import InvalidDataset, StorageFailed
from tests.datasets.made import dataset, line, tone, write


def test_what_can_be_used_is_there_in_order_and_at_24_kilohertz(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "datasets" / "hero"
    lines = dataset(source)
    tone(source / "data" / "slow.wav", hertz=333, rate=16_000)
    lines[1] = line("./data/gone.wav", "It is not there.")
    write(source, [*lines, line("./data/slow.wav", "It  has another\nrate.")])
    report = check(source)
    prepare(source, folder, report)
    prepared = Prepared.read(folder)
    assert [clip.text for clip in prepared.clips] == [
        "Sentence number 1 is said.",
        "Sentence number 3 is said.",
        "It has another rate.",
    ]
    for clip in prepared.clips:
        assert soundfile.info(folder / clip.audio).samplerate == 24_000
        assert clip.seconds == pytest.approx(2.0)
    assert soundfile.info(prepared.reference).duration == pytest.approx(3.0)
    assert Report.model_validate_json((folder / "report.json").read_text()) == report
    assert [path.name for path in folder.parent.iterdir()] == ["hero"]


def test_where_nothing_can_be_used_there_is_nothing(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "datasets" / "hero"
    dataset(source)
    write(source, [line("./data/gone.wav", "It is not there.")])
    with pytest.raises(InvalidDataset):
        prepare(source, folder, check(source))
    assert not folder.parent.exists() or not list(folder.parent.iterdir())


def test_one_that_is_there_already_is_not_replaced(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "datasets" / "hero"
    dataset(source)
    prepare(source, folder, check(source))
    with pytest.raises(StorageFailed):
        prepare(source, folder, check(source))
    assert len(Prepared.read(folder).clips) == 3
    assert [path.name for path in folder.parent.iterdir()] == ["hero"]


@pytest.mark.parametrize("content", [None, "", "not json\n", '{"audio": "a.wav", "text": "A."}\n'])
def test_what_is_no_prepared_data_set_is_refused_by_its_name(tmp_path, content):
    folder = tmp_path / "hero"
    if content is not None:
        folder.mkdir()
        (folder / "clips.jsonl").write_text(content)
    with pytest.raises(InvalidDataset, match="'hero'"):
        Prepared.read(folder)
