"""How long work took: kept, averaged, told by whose it is, and never in the work's way."""

from __future__ import annotations

import logging

import pytest

from servers.errors import StorageFailed
from servers.jobs import durations as kept
from servers.jobs.durations import MODEL_LOAD, S3_UPLOAD, Durations


def of(durations: Durations, owner: str | None = None, **asked) -> list[dict]:
    return durations.history(owner, **({"job_id": None, "name": None, "limit": 10} | asked))


def test_what_was_noted_is_there_after_a_restart(tmp_path):
    first = Durations(tmp_path, clock=lambda: 100.0)
    first.note(MODEL_LOAD, 4.0)
    first.note(MODEL_LOAD, 2.0)
    again = Durations(tmp_path)
    assert again.averages() == {MODEL_LOAD: {"avg_seconds": 3.0, "count": 2}}
    newest, _ = of(again)
    assert (newest["op_name"], newest["duration_seconds"]) == (MODEL_LOAD, 2.0)
    assert (newest["started_at"], newest["finished_at"], newest["status"]) == (98.0, 100.0, "completed")


def test_a_failure_is_told_and_not_averaged(tmp_path):
    durations = Durations(tmp_path)
    durations.note(S3_UPLOAD, 9.0, error="upload_failed")
    durations.note(S3_UPLOAD, 1.0)
    assert durations.averages()[S3_UPLOAD] == {"avg_seconds": 1.0, "count": 1}
    assert [each["error"] for each in of(durations)] == [None, "upload_failed"]


def test_each_owner_is_told_of_their_own_and_of_what_was_for_nobody(tmp_path):
    durations = Durations(tmp_path)
    for owner, job_id in (("alice", "a"), ("bob", "b"), (None, None)):
        durations.note(S3_UPLOAD, 1.0, owner=owner, job_id=job_id)
    assert [each["job_id"] for each in of(durations, "alice")] == [None, "a"]
    assert [each["job_id"] for each in of(durations, "alice", job_id="b")] == []
    assert len(of(durations, None)) == 1
    with durations.measured(S3_UPLOAD, "alice") as work:
        work.job_id = "c"
        assert [each["job_id"] for each in durations.running("alice")] == ["c"]
        assert durations.running("bob") == []
    assert durations.running("alice") == []


def test_the_oldest_are_forgotten_and_stay_in_the_averages(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "KEPT", 3)
    durations = Durations(tmp_path)
    for seconds in range(5):
        durations.note(MODEL_LOAD, float(seconds))
    assert [each["duration_seconds"] for each in of(durations)] == [4.0, 3.0, 2.0]
    assert durations.averages()[MODEL_LOAD]["count"] == 5


def test_one_that_cannot_be_kept_is_logged_and_asking_for_it_is_a_typed_error(tmp_path, caplog):
    durations = Durations(tmp_path / "missing")
    with caplog.at_level(logging.WARNING):
        durations.note(MODEL_LOAD, 1.0)
    assert "a duration is not kept" in caplog.text
    with pytest.raises(StorageFailed, match=r"durations\.sqlite3"):
        durations.averages()
