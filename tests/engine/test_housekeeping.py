"""What time alone makes due, with a clock that the test turns."""

from __future__ import annotations

import uuid

import pytest

from servers.engine.housekeeping import Housekeeping, QueueLost
from servers.engine.runs import Runs
from servers.jobs.bulletin import Bulletin
from servers.jobs.job import Job, Status
from servers.jobs.results import Results
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
    results = Results(tmp_path)
    runs = Runs(store, results, Bulletin(), 3, clock)
    return Housekeeping(Settings(data_dir=tmp_path), store, results, runs, clock)


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
