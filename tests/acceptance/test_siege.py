"""Slow clients beside honest ones; `scripts/bench siege` is the long campaign, and measures."""

from __future__ import annotations

from benchmarks.siege import measure


def test_slow_clients_keep_neither_health_nor_honest_clients_waiting_for_ever():
    figures = {figure.name: figure.value for figure in measure(slow=150, waiting=80, seconds=3)}
    assert figures["… texts spoken for them"] > 0
    assert figures["… without an answer"] == 0
    assert [value for name, value in figures.items() if name.endswith("failed")] == [0, 0, 0]
