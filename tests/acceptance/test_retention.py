"""What has ended is forgotten in time, with its files; `scripts/bench endurance` counts memory."""

from __future__ import annotations

import pytest

from benchmarks.endurance import AT_ONCE, forgotten, work
from benchmarks.forgetful import MODULE
from servers.errors import JobNotFound
from tests.acceptance.processes import eventually, running_engine


def test_jobs_past_their_keeping_time_are_forgotten_and_leave_no_file():
    with running_engine(MODULE) as engine:
        job_id = engine.submit({"text": "x"})
        work(engine, 2 * AT_ONCE)
        eventually(lambda: forgotten(engine), "nothing is left of them")
        with pytest.raises(JobNotFound):
            engine.client.get(job_id)
        assert engine.ended(engine.submit({"text": "y"}))["status"] == "done"
