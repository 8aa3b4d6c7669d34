"""The intake is killed while it takes work in; `scripts/bench accepted --kills 50` is the long campaign."""

from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="needs the extra [cloud]")
pytest.importorskip("moto.server", reason="moto, the AWS of the tests, is not installed")

from benchmarks.accepted import waged


def test_what_was_accepted_is_done_once_whatever_is_killed_and_however_functions_end():
    campaign, outcome = waged(works=12, kills=4, seed=3)
    assert (outcome.lost, outcome.twice, outcome.wrong, campaign.client.faults) == ([], [], [], [])
    assert campaign.client.unheard > 0
    assert campaign.killed["intake"] > 0
    assert campaign.met > 0 or outcome.most_attempts > 1, "a campaign that interrupts nothing proves nothing"
