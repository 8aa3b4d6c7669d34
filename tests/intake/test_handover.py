"""Jobs that were copied out of another machine's queue, taken in for a real engine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from servers.cloud.changes import Changes
from servers.handover.taking_in import TakingIn
from servers.intake.handover import HandedOver
from servers.intake.intake import Intake
from servers.intake.outcomes import Back, Failed, Moved
from servers.jobs.client import JobsClient
from servers.jobs.handover import HandedOver as Record
from servers.jobs.job import Job
from tests.acceptance.processes import Engine, running_engine
from tests.intake.accepted import Accepted


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with running_engine() as engine:
        yield engine


def a_job(**fields) -> Job:
    made = {"id": str(uuid.uuid4()), "model_type": "fake", "model": "one", "owner": "alice"}
    payload = {"task": "synthesize", "text": "so"}
    return Job(**made | {"payload": payload, "created_at": time.time()} | fields)


def copied_out(accepted: Accepted, job: Job) -> str:
    record = {"job": Record.of(job).model_dump(mode="json"), "files": {}, "saves": {}}
    return accepted.accept("", record, work="job", job_id=job.id)


def doer(accepted: Accepted, engine: Engine, client: JobsClient | None = None) -> HandedOver:
    taking_in = TakingIn(engine.data_dir, client or engine.client, accepted.bucket)
    return HandedOver(client or engine.client, taking_in)


def test_the_engine_does_it_under_its_own_id(accepted, engine):
    job = a_job()
    work = accepted.taken(copied_out(accepted, job))
    assert doer(accepted, engine).do(work) == Moved(job.id)
    assert engine.ended(job.id)["status"] == "done"


def test_a_job_that_was_moved_to_a_machine_which_goes_too_is_given_to_the_next(accepted, engine):
    job = a_job()
    id = copied_out(accepted, job)
    for attempts in (0, 1):  # the second was killed when it had taken it, and had told nobody
        accepted.change(id, work="job", status="waiting", attempts=attempts, body_key=f"accepted/{id}")
        intake = Intake(accepted.leases, accepted.objects, {"job": doer(accepted, engine)}, Changes("intake"))
        intake.step()
        intake._hear(20.0)
        assert accepted.waiting() == {}
        assert accepted.ended()[id]["status"] == "moved"
        record = {"job": Record.of(job).model_dump(mode="json"), "files": {}, "saves": {}}
        accepted.bucket.put_json(f"accepted/{id}", record)
    assert engine.ended(job.id)["status"] == "done"


def test_it_is_moved_to_the_job_that_is_here_for_the_same_request(accepted, engine):
    key = uuid.uuid4().hex
    (here,) = engine.client.submit(
        [{"model_type": "fake", "model": "one", "payload": {"text": "so"}, "idempotency_key": key}],
        owner="alice",
    )
    job = a_job(idempotency_key=key)
    work = accepted.taken(copied_out(accepted, job))
    assert doer(accepted, engine).do(work) == Moved(here)


def test_a_job_whose_key_another_request_has_here_fails_and_says_so(accepted, engine):
    key = uuid.uuid4().hex
    engine.client.submit(
        [{"model_type": "fake", "model": "one", "payload": {"text": "else"}, "idempotency_key": key}],
        owner="alice",
    )
    outcome = doer(accepted, engine).do(accepted.taken(copied_out(accepted, a_job(idempotency_key=key))))
    assert isinstance(outcome, Failed)
    assert (outcome.status, outcome.error["code"]) == (409, "conflict")


def test_a_second_time_nothing_is_there_twice(accepted, engine):
    work = accepted.taken(copied_out(accepted, a_job()))
    first = doer(accepted, engine).do(work)
    assert doer(accepted, engine).do(work) == first


def test_a_job_of_a_model_that_is_not_here_fails_and_the_error_names_those_that_are(accepted, engine):
    work = accepted.taken(copied_out(accepted, a_job(model="nine")))
    outcome = doer(accepted, engine).do(work)
    assert isinstance(outcome, Failed)
    assert (outcome.status, outcome.error["code"]) == (422, "unknown_model")
    assert "one" in outcome.error["message"]


def test_a_record_that_is_no_job_fails(accepted, engine):
    work = accepted.taken(accepted.accept("", {"job": {}, "files": {}, "saves": {}}, work="job"))
    assert isinstance(doer(accepted, engine).do(work), Failed)


def test_a_record_that_is_gone_fails(accepted, engine):
    id = copied_out(accepted, a_job())
    accepted.s3.delete_object(Bucket=accepted.bucket_name, Key=f"accepted/{id}")
    outcome = doer(accepted, engine).do(accepted.taken(id))
    assert isinstance(outcome, Failed)
    assert outcome.status == 410


def test_without_an_engine_it_waits(accepted, engine, tmp_path):
    away = JobsClient(tmp_path / "engine.sock")
    work = accepted.taken(copied_out(accepted, a_job()))
    assert not doer(accepted, engine, away).is_ready(work)
    assert isinstance(doer(accepted, engine, away).do(work), Back)
    away.close()
