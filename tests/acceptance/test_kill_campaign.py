"""A short campaign of kill -9 at random moments; `scripts/bench kill --kills 1000` is the long one."""

from __future__ import annotations

import random

from benchmarks.kill import Campaign
from tests.acceptance.processes import running_engine


def test_no_accepted_job_is_lost_or_ends_twice_whatever_is_killed():
    with running_engine() as engine:
        campaign = Campaign(engine, random.Random(7))
        campaign.wage(kills=10)
        attempts = [attempt for _, _, attempt in campaign.ended.values()]
        assert set(campaign.submitted) == set(campaign.ended)
        assert campaign.changed == []
        assert {status for status, _, _ in campaign.ended.values()} <= {"done", "failed"}
        assert 1 < max(attempts) <= 3, "a campaign that interrupts nothing proves nothing"
