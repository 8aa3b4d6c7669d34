"""Jobs that block their model while their runner beats on, in real processes: the queue goes on."""

from __future__ import annotations

import pytest

from tests.acceptance.processes import running_engine

STUCK = {"text": "hi", "pace_s": 3600.0}
"""It sleeps where a model would compute, and notices nothing; the runner's other thread beats on."""


@pytest.fixture(scope="module")
def engine():
    settings = {"SKYLARK_LIMITS__JOB_BASE_S": "4", "SKYLARK_LIMITS__JOB_S_PER_1000_CHARS": "0"}
    with running_engine(**settings) as engine:
        yield engine


def test_a_job_that_blocks_fails_in_its_time_and_the_queue_goes_on_with_another_runner(engine):
    engine.ended(engine.submit({"text": "hi"}))
    (before,) = engine.runners()
    stuck = engine.submit(STUCK, batch_key="")
    after = engine.submit({"text": "hi"}, batch_key="")
    job = engine.ended(stuck)
    assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 1, "time_limit_exceeded")
    assert "limits.job_base_s" in job["error"]["message"]
    assert job["time_limit_s"] == 4
    assert engine.ended(after)["status"] == "done"
    assert not before.is_running()


def test_of_a_batch_with_a_job_that_blocks_it_the_others_are_done(engine):
    first = engine.submit({"text": "hi", "chunks": 10_000, "pace_s": 0.02}, priority=0, batch_key="")
    stuck, *others = (engine.submit(payload) for payload in (STUCK, {"text": "a"}, {"text": "b"}))
    engine.client.cancel(first)
    done = [engine.ended(job_id) for job_id in others]
    assert [(job["status"], job["attempt"]) for job in done] == [("done", 2)] * 2
    job = engine.ended(stuck)
    assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 2, "time_limit_exceeded")
