"""The record of a session: what was written is read again, whatever end its writer had."""

from __future__ import annotations

import resource

import pytest

from servers.errors import StorageFailed
from servers.rpc.journal import LONG_BYTES, Journal, recorded

STARTED = {"started": {"session_id": "a"}}


def entries(folder) -> list:
    return [found for _, found in recorded(folder)]


def test_what_was_written_is_read_in_its_order(tmp_path) -> None:
    journal = Journal(tmp_path / "sessions" / "a.jsonl")
    said = [STARTED, {"text": "Ünï\u2028code\n\r", "flush": False}, {"flush": True}]
    for entry in said:
        journal.append(entry)
    journal.close()
    assert entries(tmp_path / "sessions") == [said]


def test_half_a_line_of_a_killed_worker_is_cut_and_the_next_entry_is_whole(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    (first := Journal(path)).append(STARTED)
    first.close()
    with path.open("ab") as file:
        file.write(b'{"text": "Go')
    ((journal, found),) = recorded(tmp_path)
    assert found == [STARTED]
    journal.append({"flush": True})
    journal.close()
    assert entries(tmp_path) == [[STARTED, {"flush": True}]]


@pytest.mark.parametrize("content", [b"", b"half", b"\xff\xfe\n", b"not json\n"])
def test_a_record_that_cannot_be_read_is_removed(tmp_path, content) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    assert entries(tmp_path) == []
    assert not path.exists()


def test_a_long_record_is_written_anew_and_is_long_again_only_by_what_comes(tmp_path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    entry = {"text": "x" * 100_000, "flush": False}
    while not journal.is_long:
        journal.append(entry)
    assert (tmp_path / "a.jsonl").stat().st_size > LONG_BYTES
    journal.rewrite([STARTED, {"script": {}}])
    assert not journal.is_long
    journal.append({"flush": True})
    journal.close()
    assert entries(tmp_path) == [[STARTED, {"script": {}}, {"flush": True}]]
    ((again, _),) = recorded(tmp_path)
    assert not again.is_long


def test_a_removed_record_is_gone_and_so_it_is_a_second_time(tmp_path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append(STARTED)
    journal.remove()
    journal.remove()
    assert entries(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path) -> None:
    (tmp_path / "sessions").write_text("a file is in its place")
    with pytest.raises(StorageFailed):
        Journal(tmp_path / "sessions" / "a.jsonl").append(STARTED)


def test_what_a_full_disk_took_half_of_is_taken_back(tmp_path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append(STARTED)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(StorageFailed, match="no space"):
            journal.append({"text": "x" * 200, "flush": False})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.append({"flush": True})
    journal.close()
    assert entries(tmp_path) == [[STARTED, {"flush": True}]]
