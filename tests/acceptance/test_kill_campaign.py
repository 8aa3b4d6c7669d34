"""Short campaigns of kill -9 at random moments; `scripts/bench kill --kills 1000` is the long one."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from benchmarks.kill import MAX_ATTEMPTS, Campaign
from tests.acceptance.processes import running_engine
from tests.jobs.private_postgres import Missing, private_postgres


def wage(kills: int, victims: Mapping[str, int], **settings: str) -> int:
    """Returns the most attempts that a job took."""
    with running_engine(SKYLARK_ENGINE__MAX_ATTEMPTS=str(MAX_ATTEMPTS), **settings) as engine:
        campaign = Campaign(engine, random.Random(11), victims)
        campaign.wage(kills)
        ledger = campaign.ledger()
    customer = campaign.customer
    assert (ledger.lost, ledger.twice, ledger.wrong, customer.changed) == ([], [], [], [])
    assert len(customer.orders) == len(set(customer.keys)), "each key gave one job"
    assert ledger.most_attempts <= MAX_ATTEMPTS
    return ledger.most_attempts


def test_no_accepted_job_is_lost_or_ends_twice_whatever_is_killed():
    most_attempts = wage(7, {"runner": 3, "worker": 2, "server": 1})
    assert most_attempts > 1, "a campaign that interrupts nothing proves nothing"


def test_none_is_lost_or_ends_twice_in_postgresql_either():
    try:
        with private_postgres() as server:
            wage(4, {"runner": 1, "worker": 1}, SKYLARK_DATABASE_URL=server.new_database())
    except Missing as reason:
        pytest.skip(str(reason))
