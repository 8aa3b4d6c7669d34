"""Scheduling by the real engine, with real processes that load; `scripts/bench trace` is the long one."""

from __future__ import annotations

import random

import pytest

from benchmarks.trace import engine_of_one_model, mixed, urgent


@pytest.fixture(scope="module")
def engine():
    with engine_of_one_model() as engine:
        yield engine


def test_a_mixed_trace_takes_a_fifth_of_the_swaps_of_first_in_first_out_at_most(engine):
    figures = {figure.name: figure for figure in mixed(engine, 60, random.Random(7), spread_s=1.0)}
    assert figures["models loaded, by first-in-first-out"].value > 40
    assert figures["of first-in-first-out's"].reached


def test_no_more_than_the_job_that_runs_goes_before_an_urgent_one(engine):
    figures = {figure.name: figure for figure in urgent(engine, random.Random(7), count=8)}
    assert figures["ordinary jobs begun while an urgent one waited, most"].reached
