"""What the queue promises to submitters and to runners, once: a test module subclasses `StoreContract`.

The subclass gives a fixture `url`: that of a database without a job.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from servers.errors import BackendFailed, Conflict, ModelLoadFailed, QueueFull, RunnerCrashed
from servers.jobs.job import Attempt, Job, Outcome, Status
from servers.jobs.store import Store

LOOKS = 1_000


def new_job(**fields: Any) -> Job:
    fields = {"model_type": "fake", "model": "one", "created_at": 1.0, "last_heartbeat": 1.0} | fields
    return Job(id=str(uuid.uuid4()), **fields)


def submitted(store: Store, **fields: Any) -> Job:
    job = new_job(**fields)
    assert store.submit([job], max_queued=100_000) == [job.id]
    return job


def claimed(store: Store, **fields: Any) -> Job:
    (job,) = store.claim([submitted(store, **fields).id], now=2.0)
    return job


class StoreContract:
    @pytest.fixture
    def store(self, url):
        store = Store(url)
        yield store
        store.close()

    def test_a_submitted_job_comes_back_as_it_was(self, store):
        job = submitted(
            store,
            payload={"text": "Grüße", "n": [1]},
            priority=3,
            owner="alice",
            batch_key="k",
            time_limit_s=9.5,
        )
        assert vars(store.get(job.id)) | {"seq": 0} == vars(job)

    def test_an_unknown_job_is_none(self, store):
        assert store.get("nobody") is None

    def test_a_full_queue_accepts_none_of_the_jobs(self, store):
        store.submit([new_job(), new_job()], max_queued=3)
        with pytest.raises(QueueFull, match="at most 3") as full:
            store.submit([new_job(), new_job()], max_queued=3)
        assert full.value.retry_after_s
        assert store.count(Status.QUEUED) == 2

    def test_what_waits_is_counted_for_each_model(self, store):
        submitted(store)
        submitted(store)
        submitted(store, model="two")
        claimed(store, model="three")
        assert store.waiting() == {("fake", "one"): 2, ("fake", "two"): 1}

    def test_heads_are_the_oldest_of_each_priority_model_and_application(self, store):
        first = submitted(store)
        submitted(store)
        urgent = submitted(store, priority=0)
        other_model = submitted(store, model="two")
        other_app = submitted(store, application_id="book")
        assert {head.id for head in store.heads()} == {first.id, urgent.id, other_model.id, other_app.id}

    def test_a_claim_counts_an_attempt_and_takes_the_job_off_the_queue(self, store):
        job = claimed(store)
        assert (job.status, job.attempt, job.token, job.started_at) == (Status.RUNNING, 1, 1, 2.0)
        assert store.heads() == []
        assert store.claim([job.id], now=3.0) == []

    def test_companions_share_the_model_and_the_key_and_were_never_tried(self, store):
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

    def test_a_job_ends_once(self, store):
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

    def test_a_claim_that_was_given_up_cannot_commit(self, store):
        stale = claimed(store)
        store.requeue(stale, count_attempt=True)
        (fresh,) = store.claim([stale.id], now=5.0)
        assert not store.finish(stale, Status.DONE, 6.0, result={"by": "stale"})
        assert not store.requeue(stale, count_attempt=True)
        assert store.finish(fresh, Status.DONE, 6.0, result={"by": "fresh"})
        assert store.get(stale.id).result == {"by": "fresh"}

    def test_a_forgiven_attempt_does_not_count(self, store):
        job = claimed(store)
        store.requeue(job, count_attempt=False)
        assert store.get(job.id).attempt == 0

    def test_a_queued_job_can_be_cancelled_and_a_running_one_cannot(self, store):
        queued, running = submitted(store), claimed(store)
        assert store.cancel_queued(queued.id, 3.0)
        assert not store.cancel_queued(queued.id, 3.0)
        assert not store.cancel_queued(running.id, 3.0)
        assert store.get(queued.id).status is Status.CANCELLED

    def test_recovery_requeues_what_ran_and_fails_what_has_used_its_attempts(self, store):
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

    def test_a_model_that_cannot_load_fails_its_queued_jobs_only(self, store):
        hopeless, other = submitted(store, model="two"), submitted(store)
        assert store.fail_queued(("fake", "two"), ModelLoadFailed("no weights"), 3.0) == [hopeless.id]
        assert store.get(hopeless.id).error["message"] == "no weights"
        assert store.get(other.id).status is Status.QUEUED

    def test_old_results_are_forgotten_and_unfinished_jobs_never(self, store):
        old, waiting = claimed(store), submitted(store)
        store.finish(old, Status.DONE, 3.0, result={})
        recent = claimed(store)
        store.finish(recent, Status.DONE, 9.0, result={})
        assert store.delete_ended(before=5.0) == [old.id]
        assert store.get(waiting.id)
        assert [job.id for job in store.recently_ended(9)] == [recent.id]

    def test_one_store_at_a_time_holds_the_queue(self, store, url):
        other = Store(url)
        assert store.hold()
        assert store.hold()
        assert not other.hold()
        store.close()
        assert any(other.hold() for _ in range(LOOKS)), (
            "a server learns of a closed connection a moment later"
        )
        other.close()

    # idempotent submits

    def test_a_repeated_submit_gives_the_first_job_and_adds_none(self, store):
        first = submitted(store, idempotency_key="k", owner="alice", payload={"text": "a", "n": [1.5, None]})
        again = replace(first, id=str(uuid.uuid4()), created_at=9.0)
        assert store.submit([again], max_queued=1) == [first.id]
        assert store.get(again.id) is None
        assert store.count(Status.QUEUED) == 1

    def test_a_key_stands_for_its_job_after_that_has_ended(self, store):
        job = claimed(store, idempotency_key="k")
        store.finish(job, Status.DONE, 3.0, result={})
        assert store.submit([new_job(idempotency_key="k")], max_queued=9) == [job.id]

    @pytest.mark.parametrize("owner", [None, "alice"])
    def test_a_key_is_known_to_its_owner_only(self, store, owner):
        submitted(store, idempotency_key="k", owner=owner)
        others = [
            new_job(idempotency_key="k", owner=other) for other in (None, "alice", "bob") if other != owner
        ]
        assert store.submit(others, max_queued=9) == [job.id for job in others]

    def test_new_known_and_keyless_jobs_may_come_in_one_call(self, store):
        known = submitted(store, idempotency_key="1")
        new, keyless = new_job(idempotency_key="2"), new_job()
        jobs = [new_job(idempotency_key="1"), new, keyless, new_job(idempotency_key="2")]
        assert store.submit(jobs, max_queued=3) == [known.id, new.id, keyless.id, new.id]
        assert [job.id for job in store.in_status(Status.QUEUED, 9)] == [known.id, new.id, keyless.id]

    @pytest.mark.parametrize(
        "change",
        [
            {"model_type": "other"},
            {"model": "two"},
            {"payload": {"text": "b"}},
            {"priority": 0},
            {"application_id": "book"},
            {"result_path": "/tmp/a.wav"},
        ],
    )
    def test_a_key_that_was_used_for_another_request_is_refused(self, store, change):
        submitted(store, idempotency_key="k")
        with pytest.raises(Conflict, match=next(iter(change))) as conflict:
            store.submit([new_job(), new_job(idempotency_key="k", **change)], max_queued=9)
        assert conflict.value.param == "Idempotency-Key"
        assert store.count(Status.QUEUED) == 1

    def test_a_full_queue_turns_away_a_new_key_and_knows_an_old_one(self, store):
        first = submitted(store, idempotency_key="k")
        assert store.submit([new_job(idempotency_key="k")], max_queued=1) == [first.id]
        with pytest.raises(QueueFull, match="1 jobs are queued and at most 1"):
            store.submit([new_job(idempotency_key="new")], max_queued=1)
        assert store.count(Status.QUEUED) == 1

    def test_a_key_is_free_again_when_its_job_is_forgotten(self, store):
        job = claimed(store, idempotency_key="k")
        store.finish(job, Status.DONE, 3.0, result={})
        store.delete_ended(before=9.0)
        submitted(store, idempotency_key="k", model="two")

    # jobs of another queue

    def test_a_job_that_is_taken_in_twice_is_there_once(self, store):
        job = new_job()
        assert [store.take_in(job) for _ in range(2)] == [job.id, job.id]
        assert [each.id for each in store.in_status(Status.QUEUED, 9)] == [job.id]

    @pytest.mark.parametrize("owner", [None, "alice"])
    def test_a_job_whose_key_has_one_already_is_that_one(self, store, owner):
        first = submitted(store, idempotency_key="k", owner=owner)
        submitted(store, idempotency_key="k", owner="bob")
        assert store.take_in(new_job(idempotency_key="k", owner=owner)) == first.id
        assert store.count(Status.QUEUED) == 2

    def test_a_job_whose_key_another_request_has_is_refused(self, store):
        submitted(store, idempotency_key="k")
        with pytest.raises(Conflict, match="payload"):
            store.take_in(new_job(idempotency_key="k", payload={"text": "b"}))

    # expiry

    def test_a_job_that_nobody_asks_for_expires_and_says_so(self, store):
        forgotten, asked = submitted(store), submitted(store)
        patient, running = submitted(store, expires=False), claimed(store)
        store.heartbeat(asked.id, 250.0)
        assert store.expire(302.0, heartbeat_timeout_s=300.0) == [forgotten.id]
        expired = store.get(forgotten.id)
        assert (expired.status, expired.finished_at) == (Status.EXPIRED, 302.0)
        assert expired.error["code"] == "job_expired"
        assert "nobody asked for the queued job for 300 s" in expired.error["message"]
        assert store.get(patient.id).status is Status.QUEUED
        assert store.get(running.id).status is Status.RUNNING

    def test_a_job_whose_deadline_passes_expires_however_patient_and_says_so(self, store):
        late = submitted(store, deadline_at=50.0, expires=False)
        submitted(store, deadline_at=60.0)
        assert store.expire(50.5, heartbeat_timeout_s=300.0) == [late.id]
        assert "deadline" in store.get(late.id).error["message"]

    def test_ten_thousand_queued_jobs_expire_and_are_looked_through_quickly(self, store):
        patient = [new_job(expires=False, application_id=str(n % 2)) for n in range(5_000)]
        asked = [new_job(last_heartbeat=900.0) for _ in range(4_999)]
        forgotten = new_job()
        store.submit([*patient, *asked, forgotten], max_queued=10_000)
        assert store.expire(1000.0, heartbeat_timeout_s=300.0) == [forgotten.id]
        assert len(store.heads()) == 3
        assert sorted(store.expire(1300.0, heartbeat_timeout_s=300.0)) == sorted(job.id for job in asked)

    def test_while_the_engine_was_down_nobody_could_ask(self, store):
        queued, running = submitted(store), claimed(store)
        store.recover(1000.0, max_attempts=3)
        assert store.expire(1001.0, heartbeat_timeout_s=300.0) == []
        assert {store.get(job.id).last_heartbeat for job in (queued, running)} == {1000.0}

    # attempts

    def test_each_claim_is_on_record_with_how_it_ended(self, store):
        job = claimed(store)
        crash = RunnerCrashed("the runner ended")
        store.requeue(job, count_attempt=True, now=3.0, error=crash)
        (second,) = store.claim([job.id], now=4.0)
        store.requeue(second, count_attempt=False, now=5.0)
        (third,) = store.claim([job.id], now=6.0)
        running = Attempt(job.id, attempt=2, token=3, started_at=6.0)
        before = [
            Attempt(job.id, 1, 1, 2.0, 3.0, Outcome.LOST, crash.to_dict()),
            Attempt(job.id, 2, 2, 4.0, 5.0, Outcome.RETURNED),
        ]
        assert store.attempts(job.id) == [*before, running]
        store.finish(third, Status.DONE, 7.0, result={})
        assert store.attempts(job.id) == [*before, replace(running, ended_at=7.0, outcome=Outcome.DONE)]

    @pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
    def test_a_failed_attempt_keeps_its_error(self, store, status):
        job, error = claimed(store), BackendFailed("no sound")
        store.finish(job, status, 3.0, error=error)
        (attempt,) = store.attempts(job.id)
        assert (attempt.outcome, attempt.error) == (Outcome(status.value), error.to_dict())

    def test_a_stale_claim_does_not_end_the_attempt_of_its_successor(self, store):
        stale = claimed(store)
        store.requeue(stale, count_attempt=True)
        store.claim([stale.id], now=5.0)
        assert not store.finish(stale, Status.DONE, 6.0, result={})
        assert [attempt.outcome for attempt in store.attempts(stale.id)] == [Outcome.LOST, None]

    def test_recovery_ends_the_attempts_that_were_under_way_and_no_others(self, store):
        done, lost = claimed(store), claimed(store)
        store.finish(done, Status.DONE, 3.0, result={})
        store.recover(5.0, max_attempts=1)
        (attempt,) = store.attempts(lost.id)
        assert (attempt.outcome, attempt.ended_at, attempt.error["code"]) == (
            Outcome.LOST,
            5.0,
            "runner_crashed",
        )
        assert store.attempts(done.id)[0].outcome is Outcome.DONE

    def test_attempts_are_forgotten_with_their_job(self, store):
        gone, stays = claimed(store), claimed(store)
        store.finish(gone, Status.DONE, 3.0, result={})
        store.delete_ended(before=5.0)
        assert store.attempts(gone.id) == []
        assert len(store.attempts(stays.id)) == 1
