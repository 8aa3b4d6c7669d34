"""Which job is next: the scheduler's cases, one after the other."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.engine.scheduler import Affinity, choose
from servers.jobs.store import Head

SPEAK, LISTEN = ("espeak", "espeak-ng"), ("pocketsphinx", "en-us")
NOW, MAX_WAIT_S = 1000.0, 60.0


def head(seq: int, model=SPEAK, app: str = "default", priority: int = 10, waited_s: float = 1.0) -> Head:
    return Head(
        id=str(seq),
        seq=seq,
        model=model,
        application_id=app,
        priority=priority,
        created_at=NOW - waited_s,
        attempt=0,
        batch_key=None,
    )


def chosen(*heads: Head, resident=(), app: str | None = None) -> str | None:
    since = resident if isinstance(resident, dict) else dict.fromkeys(resident, 0.0)
    head = choose(heads, Affinity(since, app), NOW, MAX_WAIT_S)
    return head.id if head else None


def test_an_empty_queue_has_no_next_job():
    assert chosen() is None


def test_priority_0_goes_before_the_resident_model():
    assert chosen(head(1), head(2, LISTEN, priority=0), resident=[SPEAK], app="default") == "2"


def test_among_urgent_jobs_the_oldest_goes_first_whatever_is_resident():
    assert chosen(head(1, LISTEN, priority=0), head(2, priority=0), resident=[SPEAK]) == "1"


def test_an_overdue_job_goes_before_affinity_and_before_a_more_urgent_band():
    overdue = head(5, LISTEN, priority=90, waited_s=MAX_WAIT_S + 1)
    assert chosen(head(6), overdue, resident=[SPEAK]) == "5"


def test_an_overdue_job_waits_for_priority_0():
    assert chosen(head(1, waited_s=500), head(2, priority=0)) == "2"


def test_among_overdue_jobs_those_that_a_resident_model_came_for_go_first():
    older, waited = head(1, LISTEN, waited_s=500), head(2, SPEAK, waited_s=400)
    assert chosen(older, waited, resident={SPEAK: NOW - 300}) == "2"
    assert chosen(older, waited, resident={SPEAK: NOW - 450}) == "1", "it came after the model did"


def test_a_lower_number_goes_before_affinity():
    assert chosen(head(1), head(2, LISTEN, priority=5), resident=[SPEAK], app="default") == "2"


def test_in_a_band_the_resident_model_and_the_same_application_go_first():
    waiting = [head(1, LISTEN, "b"), head(2, LISTEN, "a"), head(3, SPEAK, "b"), head(4, SPEAK, "a")]
    order = []
    while waiting:
        order.append(chosen(*waiting, resident=[SPEAK], app="a"))
        waiting = [h for h in waiting if h.id != order[-1]]
    assert order == ["4", "3", "2", "1"]


def test_with_nothing_to_prefer_the_oldest_goes_first():
    assert chosen(head(2), head(1), head(3)) == "1"


class Simulation:
    """One device that holds one model, in simulated time: counts swaps and the longest wait."""

    def __init__(self, max_wait_s: float, swap_s: float) -> None:
        self.max_wait_s, self.swap_s = max_wait_s, swap_s
        self.now, self.swaps, self.longest_wait_s = 0.0, 0, 0.0
        self.resident: dict = {}
        self.app: str | None = None

    def serve(self, arrivals: list[Head], run_s: float, first_in_first_out: bool = False) -> Simulation:
        coming, waiting = sorted(arrivals, key=lambda h: h.created_at), []
        while coming or waiting:
            if not waiting:
                self.now = max(self.now, coming[0].created_at)
            while coming and coming[0].created_at <= self.now:
                waiting.append(coming.pop(0))
            self.run(waiting.pop(0) if first_in_first_out else self.choose(waiting), run_s)
        return self

    def choose(self, waiting: list[Head]) -> Head:
        heads: dict = {}
        for each in waiting:
            heads.setdefault((each.priority, each.model, each.application_id), each)
        found = choose(list(heads.values()), Affinity(self.resident, self.app), self.now, self.max_wait_s)
        waiting.remove(found)
        return found

    def run(self, job: Head, run_s: float) -> None:
        if job.model not in self.resident:
            self.swaps += 1
            self.now += self.swap_s
            self.resident = {job.model: self.now}
        self.app = job.application_id
        self.longest_wait_s = max(self.longest_wait_s, self.now - job.created_at)
        self.now += run_s


def mixed(count: int, every_s: float, seed: int) -> list[Head]:
    """Jobs for five models of three applications, in no order."""
    dice = random.Random(seed)
    return [
        replace(
            head(seq, ("fake", str(dice.randrange(5))), f"app{dice.randrange(3)}"), created_at=seq * every_s
        )
        for seq in range(count)
    ]


@pytest.mark.parametrize("every_s", [0.0, 0.5, 1.2])
def test_affinity_saves_four_swaps_of_five(every_s):
    jobs = mixed(1000, every_s, seed=1)
    ours = Simulation(max_wait_s=60, swap_s=5).serve(jobs, run_s=0.5)
    theirs = Simulation(max_wait_s=60, swap_s=5).serve(jobs, run_s=0.5, first_in_first_out=True)
    assert ours.swaps <= 0.2 * theirs.swaps
    assert ours.longest_wait_s < theirs.longest_wait_s


@given(st.integers(0, 10_000), st.sampled_from([10.0, 60.0]))
def test_nothing_starves_under_a_flood_for_the_resident_model(seed, max_wait_s):
    dice = random.Random(seed)
    flood = [replace(head(seq, SPEAK), created_at=seq * 1.0) for seq in range(300)]
    lonely = replace(head(1000, LISTEN, priority=dice.randrange(1, 90)), created_at=dice.uniform(0, 200))
    simulation = Simulation(max_wait_s, swap_s=2)
    simulation.resident = {SPEAK: 0.0}
    started = []
    run = simulation.run
    simulation.run = lambda job, run_s: (started.append((job, simulation.now)), run(job, run_s))
    simulation.serve([*flood, lonely], run_s=1.0)
    (began,) = [at for job, at in started if job is lonely]
    assert began - lonely.created_at <= max_wait_s + 2 * 1.0 + 2


@given(st.lists(st.builds(head, st.integers(0, 50), priority=st.integers(0, 3)), min_size=1))
def test_an_urgent_job_is_chosen_whenever_there_is_one(heads):
    found = choose(heads, Affinity(), NOW, MAX_WAIT_S)
    assert found.priority == 0 or all(each.priority > 0 for each in heads)
