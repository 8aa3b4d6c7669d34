"""Which job is next: the scheduler's cases, one after the other."""

from __future__ import annotations

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
    head = choose(heads, Affinity(frozenset(resident), app), NOW, MAX_WAIT_S)
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
