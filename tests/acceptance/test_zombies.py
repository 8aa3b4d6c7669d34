"""Runners that were stopped past their lease and go on; `scripts/bench zombies --stops 100` has more."""

from __future__ import annotations

import random

from benchmarks.zombies import ENGINE, LEASE_S, MAX_ATTEMPTS, Zombies
from tests.acceptance.processes import running_engine


def test_a_runner_that_goes_on_past_its_lease_commits_nothing_stale_nor_does_one_whose_engine_was_stopped():
    with running_engine(SKYLARK_ENGINE__LEASE_S=str(LEASE_S)) as engine:
        zombies = Zombies(engine, random.Random(7))
        zombies.raise_one(1)
        zombies.raise_one(3)
        zombies.raise_one(5, ENGINE)
        ledger = zombies.ledger()
    assert (ledger.lost, ledger.twice, ledger.wrong, ledger.failed) == ([], [], [], 0)
    assert ledger.jobs == 6
    assert ledger.most_attempts <= MAX_ATTEMPTS
