"""What the engine says to those who ask, on their own threads."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from servers.engine.device import Device
from servers.engine.news import News
from servers.engine.service import HEARTBEAT_EVERY_S, Service
from servers.engine.submission import Caller
from servers.errors import EngineUnavailable, JobNotFound, StorageFailed
from servers.jobs.job import Job, Status
from servers.jobs.store import Store
from servers.settings import Engine

NEW = Job(id="", model_type="fake", model="one")


class FullStore(Store):
    """Its disk is full: it can be read."""

    def heartbeat(self, job_id: str, now: float) -> None:
        raise StorageFailed("the disk is full")


class Core:
    """The engine's loop, as far as the service needs it."""

    draining = False

    def __init__(self) -> None:
        self.excused = 0

    def wake(self) -> None: ...

    def excuse_silence(self) -> None:
        self.excused += 1

    def models(self) -> dict:
        return {}


@pytest.fixture
def store(tmp_path):
    store = FullStore(f"sqlite:///{tmp_path}/jobs.sqlite3")
    yield store
    store.close()


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def service(store, core):
    return Service(
        None, store, core, {}, News(), Engine(), Device("cpu"), clock=lambda: HEARTBEAT_EVERY_S + 1
    )


@pytest.fixture
def job(store):
    job = Job(
        id=str(uuid.uuid4()),
        model_type="fake",
        model="one",
        created_at=0.0,
        last_heartbeat=0.0,
        owner="alice",
    )
    store.submit([job], max_queued=1)
    return job


def test_health_is_degraded_and_says_why_while_the_queue_cannot_be_read(service, tmp_path):
    assert service.health()["status"] == "ok"
    (tmp_path / "jobs.sqlite3").rename(tmp_path / "moved.sqlite3")
    health = service.health()
    assert (health["status"], health["queue_depth"]) == ("degraded", None)
    assert "was moved or removed" in health["error"]["message"]
    (tmp_path / "moved.sqlite3").rename(tmp_path / "jobs.sqlite3")
    assert service.health()["status"] == "ok"
    assert "error" not in service.health()


def test_a_poll_is_answered_although_the_clients_interest_cannot_be_written(service, core, job):
    assert service.poll(job.id, Caller(), 0.0, connected=lambda: True).status is Status.QUEUED
    assert core.excused


def test_a_job_of_another_key_is_not_there(service, job):
    assert service.get(job.id, Caller("alice")).id == job.id
    with pytest.raises(JobNotFound):
        service.get(job.id, Caller("bob"))


def test_an_engine_that_stops_takes_nothing_in(service, core):
    core.draining = True
    with pytest.raises(EngineUnavailable) as stopping:
        service.submit([], Caller())
    assert stopping.value.retry_after_s


def test_a_queued_job_is_withdrawn_once(service, job):
    service.withdraw(job.id, Caller())
    with pytest.raises(JobNotFound, match="is cancelled already: there is nothing left to withdraw"):
        service.withdraw(job.id, Caller())


def test_the_events_of_a_job_end_with_it(service, store, job):
    events = service.events(job.id, Caller(), connected=lambda: True)
    assert next(events).status is Status.QUEUED
    service.withdraw(job.id, Caller())
    assert [event.status for event in events] == [Status.CANCELLED]


def test_activity_is_in_numbers_and_a_training_is_not_among_the_running(service, store):
    jobs = [replace(NEW, id=str(uuid.uuid4()), preemptible=n == 0) for n in range(4)]
    store.submit(jobs, max_queued=9)
    claimed = store.claim([job.id for job in jobs[:3]], 10.0)
    store.finish(
        next(job for job in claimed if job.id == jobs[2].id), Status.DONE, 12.5, result={"duration_s": 4.5}
    )
    assert service.activity() == {
        "queued": 1,
        "running": 1,
        "training": 1,
        "loading": 0,
        "ended": [{"finished_at": 12.5, "seconds": 2.5, "audio_s": 4.5}],
    }


def test_activity_times_only_what_was_done(service, store):
    jobs = [replace(NEW, id=str(uuid.uuid4()), preemptible=n == 0) for n in range(2)]
    store.submit(jobs, max_queued=9)
    for job, status in zip(
        store.claim([job.id for job in jobs], 10.0), (Status.DONE, Status.FAILED), strict=True
    ):
        store.finish(job, status, 12.5)
    assert service.activity()["ended"] == []


def test_a_job_without_audio_spoke_none(service, store):
    store.submit([NEW], max_queued=9)
    store.finish(store.claim([NEW.id], 10.0)[0], Status.DONE, 12.5, result={"text": "hello"})
    assert service.activity()["ended"][0]["audio_s"] == 0.0
