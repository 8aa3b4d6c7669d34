"""Short campaigns of kill -9 at random moments; `scripts/bench kill --kills 1000` is the long one."""

from __future__ import annotations

import random

import pytest

from benchmarks.doors import besieged
from benchmarks.kill import MAX_ATTEMPTS, Campaign
from tests.acceptance.processes import running_engine
from tests.jobs.private_postgres import Missing, private_postgres


def wage(kills: int, **settings: str) -> None:
    with running_engine(SKYLARK_ENGINE__MAX_ATTEMPTS=str(MAX_ATTEMPTS), **settings) as engine:
        campaign = Campaign(engine, random.Random(7))
        campaign.wage(kills)
        ledger = campaign.ledger()
    customer = campaign.customer
    assert (ledger.lost, ledger.twice, ledger.wrong, customer.changed) == ([], [], [], [])
    assert len(customer.orders) == len(set(customer.keys)), "each key gave one job"
    assert 1 < ledger.most_attempts <= MAX_ATTEMPTS, "a campaign that interrupts nothing proves nothing"


def test_no_accepted_job_is_lost_or_ends_twice_whatever_is_killed():
    wage(kills=10)


def test_none_is_lost_or_ends_twice_in_postgresql_either():
    try:
        with private_postgres() as server:
            wage(kills=8, SKYLARK_DATABASE_URL=server.new_database())
    except Missing as reason:
        pytest.skip(str(reason))


def test_who_waits_at_a_door_that_is_killed_and_asks_again_is_served_and_no_job_is_lost():
    siege, ledger = besieged(6, seed=7)
    assert (siege.clients.faults, siege.customer.changed) == ([], [])
    assert (ledger.lost, ledger.twice, ledger.wrong) == ([], [], [])
    assert siege.clients.served > 0
    assert siege.clients.again["connection lost"] > 0, (
        "a door that is killed while nobody waits proves nothing"
    )
    assert ledger.most_attempts <= MAX_ATTEMPTS
