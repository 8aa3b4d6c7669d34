"""Jobs that were copied out of another machine's queue, taken in for a real engine."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

import pytest

from servers.handover.taking_in import TakingIn
from servers.intake.handover import HandedOver
from servers.intake.outcomes import Back, Done, Failed
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
    return HandedOver(client or engine.client, taking_in, accepted.objects)


def test_the_engine_does_it_and_the_result_says_as_which_job(accepted, engine):
    job = a_job()
    work = accepted.taken(copied_out(accepted, job))
    outcome = doer(accepted, engine).do(work)
    assert isinstance(outcome, Done)
    assert json.loads(accepted.result(work.id)) == {"job_id": job.id}
    assert engine.ended(job.id)["status"] == "done"


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
