"""The door is killed while clients wait at it; `scripts/bench doors --kills 100` is the long campaign."""

from __future__ import annotations

from benchmarks.doors import besieged
from benchmarks.kill import MAX_ATTEMPTS


def test_who_waits_at_a_door_that_is_killed_and_asks_again_is_served_and_no_job_is_lost():
    siege, ledger = besieged(4, seed=4)
    assert (siege.clients.faults, siege.customer.changed) == ([], [])
    assert (ledger.lost, ledger.twice, ledger.wrong) == ([], [], [])
    assert siege.clients.served > 0
    assert siege.clients.again["connection lost"] > 0, (
        "a door that is killed while nobody waits proves nothing"
    )
    assert ledger.most_attempts <= MAX_ATTEMPTS
