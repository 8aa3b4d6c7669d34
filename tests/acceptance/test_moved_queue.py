"""The queue's file is moved away, or replaced, while the engine runs: no job is lost, and it is said."""

from __future__ import annotations

import shutil

import pytest

from servers.errors import StorageFailed
from tests.acceptance.processes import Engine, eventually, running_engine

PACED = {"text": "paced", "chunks": 20, "pace_s": 0.05}
FILES = ("jobs.sqlite3", "jobs.sqlite3-wal", "jobs.sqlite3-shm")


@pytest.fixture
def engine():
    with running_engine() as engine:
        (engine.folder / "elsewhere").mkdir()
        engine.ended(engine.submit({"text": "loads the model"}))
        yield engine


def move_away(engine: Engine) -> None:
    for name in FILES:
        (engine.folder / name).rename(engine.folder / "elsewhere" / name)


def move_back(engine: Engine) -> None:
    for name in FILES:
        (engine.folder / "elsewhere" / name).rename(engine.folder / name)


def test_an_engine_whose_queue_was_moved_takes_no_jobs_and_loses_none(engine):
    worker = engine.worker
    running = engine.submit(PACED, batch_key="")
    eventually(lambda: engine.status(running) == "running", "the job runs")
    queued = engine.submit({"text": "a"}, batch_key="")
    move_away(engine)
    with pytest.raises(StorageFailed, match="put it back"):
        engine.submit({"text": "b"})
    health = engine.client.health()
    assert health["status"] == "degraded"
    assert "jobs.sqlite3 was moved or removed" in health["error"]["message"]
    eventually(lambda: "was moved or removed" in engine.server.log.read_text(), "the log says so")
    assert not (engine.folder / "jobs.sqlite3").exists(), "no new queue was begun"
    move_back(engine)
    assert [engine.ended(job_id)["status"] for job_id in (running, queued)] == ["done", "done"]
    assert engine.ended(engine.submit({"text": "c"}))["status"] == "done"
    assert (engine.client.health()["status"], engine.worker) == ("ok", worker)


def test_an_engine_whose_queue_was_replaced_takes_no_jobs_until_it_is_started_anew(engine):
    shutil.copy(engine.folder / "jobs.sqlite3", engine.folder / "elsewhere")
    (engine.folder / "elsewhere" / "jobs.sqlite3").replace(engine.folder / "jobs.sqlite3")
    with pytest.raises(StorageFailed, match="another file is in the place of the queue's"):
        engine.submit({"text": "a"})
    engine.server.kill()
    eventually(lambda: not engine.server.process.is_running(), "the engine has ended")
    engine.start()
    assert engine.ended(engine.submit({"text": "a"}))["status"] == "done"


def test_an_engine_is_not_started_with_a_new_queue_in_the_place_of_one_that_is_gone(engine):
    engine.server.stop()
    lost = engine.folder / "jobs.sqlite3"
    lost.rename(engine.folder / "elsewhere" / "jobs.sqlite3")
    engine.server = engine._serve()
    engine.server.wait(60)
    assert "jobs.sqlite3 is gone, and a queue was kept there" in engine.server.log.read_text()
    (engine.folder / "elsewhere" / "jobs.sqlite3").rename(lost)
    engine.start()
    assert engine.client.health()["status"] == "ok"
