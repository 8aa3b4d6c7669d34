"""What time alone makes due, with a clock that the test turns."""

from __future__ import annotations

import uuid

import pytest

from servers.engine.housekeeping import Housekeeping, QueueLost
from servers.engine.news import News
from servers.jobs.job import Job, Status
from servers.jobs.results import Results
from servers.jobs.saves import Saves
from servers.jobs.store import Store
from servers.settings import Settings

TIMEOUT_S = Settings().engine.heartbeat_timeout_s


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/jobs.sqlite3"


@pytest.fixture
def store(url):
    store = Store(url)
    yield store
    store.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def housekeeping(store, clock, tmp_path):
    return Housekeeping(Settings(data_dir=tmp_path), store, Results(tmp_path), Saves(tmp_path), News(), clock)


@pytest.fixture
def queued(store, clock):
    job = Job(id=str(uuid.uuid4()), model_type="fake", model="one", last_heartbeat=clock.now)
    store.submit([job], max_queued=1)
    return job


def test_a_queued_job_that_nobody_asks_for_expires(housekeeping, store, clock, queued):
    housekeeping.tidy()
    assert store.get(queued.id).status is Status.QUEUED
    clock.now += TIMEOUT_S + 1
    housekeeping.tidy()
    assert store.get(queued.id).status is Status.EXPIRED


def test_nobodys_silence_counts_from_before_an_interest_could_be_written(housekeeping, store, clock, queued):
    clock.now += TIMEOUT_S + 1
    housekeeping.unheard = True
    housekeeping.tidy()
    assert store.get(queued.id).status is Status.QUEUED
    clock.now += TIMEOUT_S + 1
    housekeeping.tidy()
    assert store.get(queued.id).status is Status.EXPIRED


def test_an_engine_whose_queue_another_has_taken_stops(housekeeping, store, url):
    other = Store(url)
    assert other.hold()
    with pytest.raises(QueueLost):
        housekeeping.tidy()
    other.close()
    housekeeping.tidy()


def test_what_a_job_saved_goes_once_it_has_ended(housekeeping, tmp_path, queued):
    saves = Saves(tmp_path)
    (saves.folder(queued.id) / "step").touch()
    (saves.folder("nobodys") / "step").touch()
    housekeeping.tidy()
    assert [folder.name for folder in (tmp_path / "saves").iterdir()] == [queued.id]


def test_a_missing_folder_is_no_reason_to_run_no_jobs(housekeeping, tmp_path, caplog):
    (tmp_path / "results").rmdir()
    housekeeping.tidy()
    assert "cannot be swept" in caplog.text
