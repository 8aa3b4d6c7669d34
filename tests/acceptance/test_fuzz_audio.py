"""Damaged recordings at a real door; `scripts/bench fuzz-audio --files 200` is the long campaign."""

from __future__ import annotations

from benchmarks.fuzz_audio import MOST_GROWTH_MB, campaign


def test_a_damaged_recording_is_heard_or_refused_by_type_whichever_way_it_comes_in():
    found, highest = campaign(48, seed=2)
    assert found.faults == []
    assert found.ends["door: heard"] > 0
    assert found.ends["door: unsupported_audio"] > 0
    assert found.ends.total() == 2 * 48
    assert highest.growth_mb < MOST_GROWTH_MB
