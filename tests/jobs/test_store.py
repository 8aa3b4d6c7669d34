"""The durable queue: what it promises to submitters and to runners."""

from __future__ import annotations

import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from servers.errors import BackendFailed, ModelLoadFailed, QueueFull
from servers.jobs.job import Job, Status
from servers.jobs.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    yield store
    store.close()


def new_job(**fields) -> Job:
    fields = {"model_type": "fake", "model": "one", "created_at": 1.0, "last_heartbeat": 1.0} | fields
    return Job(id=str(uuid.uuid4()), **fields)


def submitted(store: Store, **fields) -> Job:
    job = new_job(**fields)
    store.submit([job], max_queued=100)
    return job


def claimed(store: Store, **fields) -> Job:
    (job,) = store.claim([submitted(store, **fields).id], now=2.0)
    return job


def test_a_submitted_job_comes_back_as_it_was(store):
    job = submitted(store, payload={"text": "Grüße", "n": [1]}, priority=3, owner="alice", batch_key="k")
    assert vars(store.get(job.id)) | {"seq": 0} == vars(job)


def test_a_job_is_on_the_disk_when_submit_returns(store, tmp_path):
    job = submitted(store)
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as other:
        assert other.execute("select id from jobs").fetchall() == [(job.id,)]
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    other.close()


def test_an_unknown_job_is_none(store):
    assert store.get("nobody") is None


def test_a_full_queue_accepts_none_of_the_jobs(store):
    store.submit([new_job(), new_job()], max_queued=3)
    with pytest.raises(QueueFull, match="at most 3") as full:
        store.submit([new_job(), new_job()], max_queued=3)
    assert full.value.retry_after_s
    assert store.count(Status.QUEUED) == 2


def test_heads_are_the_oldest_of_each_priority_model_and_application(store):
    first = submitted(store)
    submitted(store)
    urgent = submitted(store, priority=0)
    other_model = submitted(store, model="two")
    other_app = submitted(store, application_id="book")
    assert {head.id for head in store.heads()} == {first.id, urgent.id, other_model.id, other_app.id}


def test_a_claim_counts_an_attempt_and_takes_the_job_off_the_queue(store):
    job = claimed(store)
    assert (job.status, job.attempt, job.token, job.started_at) == (Status.RUNNING, 1, 1, 2.0)
    assert store.heads() == []
    assert store.claim([job.id], now=3.0) == []


def test_companions_share_the_model_and_the_key_and_were_never_tried(store):
    head_job = submitted(store, batch_key="k")
    shares = submitted(store, batch_key="k", application_id="other")
    submitted(store, batch_key="k", model="two")
    submitted(store, batch_key="another")
    submitted(store)
    tried = claimed(store, batch_key="k")
    store.requeue(tried, count_attempt=True)
    (head,) = [head for head in store.heads() if head.id == head_job.id]
    assert store.companions(head, limit=9) == [shares.id]
    assert store.companions(head, limit=0) == []


def test_a_job_ends_once(store):
    job = claimed(store)
    assert store.finish(job, Status.DONE, 3.0, result={"status": "ok"})
    assert not store.finish(job, Status.FAILED, 4.0, error=BackendFailed("late"))
    ended = store.get(job.id)
    assert (ended.status, ended.result, ended.error, ended.finished_at) == (
        Status.DONE,
        {"status": "ok"},
        None,
        3.0,
    )


def test_a_claim_that_was_given_up_cannot_commit(store):
    stale = claimed(store)
    store.requeue(stale, count_attempt=True)
    (fresh,) = store.claim([stale.id], now=5.0)
    assert not store.finish(stale, Status.DONE, 6.0, result={"by": "stale"})
    assert not store.requeue(stale, count_attempt=True)
    assert store.finish(fresh, Status.DONE, 6.0, result={"by": "fresh"})
    assert store.get(stale.id).result == {"by": "fresh"}


def test_a_forgiven_attempt_does_not_count(store):
    job = claimed(store)
    store.requeue(job, count_attempt=False)
    assert store.get(job.id).attempt == 0


def test_a_queued_job_can_be_cancelled_and_a_running_one_cannot(store):
    queued, running = submitted(store), claimed(store)
    assert store.cancel_queued(queued.id, 3.0)
    assert not store.cancel_queued(queued.id, 3.0)
    assert not store.cancel_queued(running.id, 3.0)
    assert store.get(queued.id).status is Status.CANCELLED


def test_recovery_requeues_what_ran_and_fails_what_has_used_its_attempts(store):
    once, waiting, done = claimed(store), submitted(store), claimed(store)
    store.finish(done, Status.DONE, 3.0, result={})
    thrice = claimed(store)
    for _ in range(2):
        store.requeue(thrice, count_attempt=True)
        (thrice,) = store.claim([thrice.id], now=4.0)
    assert store.recover(5.0, max_attempts=3) == 2
    assert store.get(once.id).status is Status.QUEUED
    assert store.get(waiting.id).status is Status.QUEUED
    assert store.get(done.id).status is Status.DONE
    assert store.get(thrice.id).status is Status.FAILED
    assert store.get(thrice.id).error["code"] == "runner_crashed"


def test_a_model_that_cannot_load_fails_its_queued_jobs_only(store):
    hopeless, other = submitted(store, model="two"), submitted(store)
    assert store.fail_queued(("fake", "two"), ModelLoadFailed("no weights"), 3.0) == [hopeless.id]
    assert store.get(hopeless.id).error["message"] == "no weights"
    assert store.get(other.id).status is Status.QUEUED


def test_old_results_are_forgotten_and_unfinished_jobs_never(store):
    old, waiting = claimed(store), submitted(store)
    store.finish(old, Status.DONE, 3.0, result={})
    recent = claimed(store)
    store.finish(recent, Status.DONE, 9.0, result={})
    assert store.delete_ended(before=5.0) == [old.id]
    assert store.get(waiting.id)
    assert [job.id for job in store.recently_ended(9)] == [recent.id]


def test_many_threads_may_submit_and_claim_at_once_and_each_job_is_claimed_once(store):
    ids = [submitted(store).id for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: store.claim(ids, now=2.0), range(8)))
    assert sorted(job.id for claim in claims for job in claim) == sorted(ids)
