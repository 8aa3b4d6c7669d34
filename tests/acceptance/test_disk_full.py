"""A disk that is really full, under queue and results: a clear error, and nothing accepted is lost."""

from __future__ import annotations

import numpy as np
import pytest

from servers.errors import StorageFailed
from servers.unix_http import UnixPool
from tests.acceptance.processes import eventually, running_engine
from tests.acceptance.small_disk import Missing, small_disk

DISK_MB = 8
PACED = {"text": "paced", "chunks": 40, "pace_s": 0.05, "level": 3}
BIG = {"text": "word " * 3_000}


@pytest.fixture
def disk():
    try:
        with small_disk(DISK_MB) as disk:
            yield disk
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def engine(disk):
    """Its log is on another disk."""
    with running_engine(SKYLARK_DATA_DIR=str(disk.folder)) as engine:
        engine.ended(engine.submit({"text": "loads the model"}))
        yield engine


def test_a_submit_that_does_not_fit_is_refused_with_507_and_later_accepted(engine, disk):
    disk.fill()
    jobs = [{"model_type": "fake", "payload": BIG}] * 20
    pool = UnixPool(engine.data_dir / "engine.sock", 30)
    reply = pool.request("POST", "/jobs/batch", json={"jobs": jobs})
    pool.close()
    assert (reply.status, reply.json()["error"]["code"]) == (507, "storage_failed")
    assert engine.client.health()["queue_depth"] == 0, "none of them was accepted"
    assert len(engine.client.queue()["recent"]) == 1
    disk.free()
    assert [engine.ended(job_id)["status"] for job_id in engine.client.submit(jobs)] == ["done"] * 20


def test_what_runs_or_waits_while_the_disk_is_full_goes_on_once_there_is_room(engine, disk):
    worker = engine.worker
    running = engine.submit(PACED, batch_key="")
    with engine.client.audio(running) as audio:
        next(audio.chunks)
    queued = [engine.submit({"text": "a", "level": level}, batch_key="") for level in range(10)]
    disk.fill()
    with pytest.raises(StorageFailed):
        engine.submit({"text": "word"})
    eventually(lambda: "storage_failed" in engine.server.log.read_text(), "the engine waits for its disk")
    assert engine.client.health()["queue_depth"] == 10
    assert {engine.status(job_id) for job_id in queued} == {"queued"}
    disk.free()
    assert engine.ended(running)["error"]["code"] == "storage_failed"
    ended = [engine.ended(job_id) for job_id in queued]
    assert {(job["status"], job["attempt"]) for job in ended} == {("done", 1)}
    assert [heard(engine, job_id) for job_id in queued] == [{level} for level in range(10)]
    assert engine.ended(engine.submit(PACED))["status"] == "done"
    assert engine.worker == worker, "the engine has lived through it"


def test_a_disk_that_takes_no_more_files_fails_the_job_and_not_the_engine(engine, disk):
    worker = engine.worker
    disk.take_files()
    job = engine.ended(engine.submit({"text": "a"}))
    assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", "storage_failed", 1)
    disk.free()
    assert engine.ended(engine.submit({"text": "a"}))["status"] == "done"
    assert engine.worker == worker, "the engine has lived through it"


def heard(engine, job_id: str) -> set[int]:
    return set(np.frombuffer(engine.audio(job_id), "<i2").tolist())
