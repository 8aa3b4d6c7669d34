"""What the queue promises when many ask for the same at once: a test module subclasses `ConcurrencyContract`.

The subclass gives the fixture `store`, as that of StoreContract.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from servers.errors import ModelLoadFailed, QueueFull
from servers.jobs.job import Job, Status
from tests.jobs.store_contract import new_job, submitted

THREADS = 16


def at_once(act: Callable[[int], Any]) -> list[Any]:
    """What `act(number)` returned in each of THREADS threads that began together."""
    start = Barrier(THREADS)

    def begin(number: int) -> Any:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


class ConcurrencyContract:
    def test_each_job_is_claimed_once_by_however_many_threads(self, store):
        ids = [submitted(store).id for _ in range(50)]
        claims = at_once(lambda number: store.claim(ids[number:] + ids[:number], now=2.0))
        assert sorted(job.id for claim in claims for job in claim) == sorted(ids)
        assert all(len(store.attempts(job_id)) == 1 for job_id in ids)

    def test_of_one_key_submitted_by_many_threads_comes_one_job(self, store):
        answers = at_once(lambda _: store.submit([new_job(idempotency_key="k")], max_queued=9))
        assert len({job_id for (job_id,) in answers}) == 1
        assert store.count(Status.QUEUED) == 1

    def test_many_threads_together_do_not_go_over_the_limit(self, store):
        def submit(_: int) -> int:
            try:
                return len(store.submit([new_job()], max_queued=5))
            except QueueFull:
                return 0

        assert sum(at_once(submit)) == store.count(Status.QUEUED) == 5

    def test_a_job_that_is_asked_for_at_this_moment_is_claimed_all_the_same(self, store):
        ids = [submitted(store).id for _ in range(40)]

        def ask_or_claim(number: int) -> list[Job]:
            if number % 4 == 0:
                return [
                    job for job_id in ids[number:] + ids[:number] for job in store.claim([job_id], now=2.0)
                ]
            for time in range(3):
                for job_id in ids:
                    store.heartbeat(job_id, 10.0 * number + time)
            return []

        assert sorted(job.id for jobs in at_once(ask_or_claim) for job in jobs) == sorted(ids)

    def test_writers_of_the_same_jobs_in_different_orders_do_not_block_each_other(self, store):
        ids = [submitted(store, deadline_at=5.0).id for _ in range(200)]

        def write(number: int) -> list[str]:
            match number % 4:
                case 0:
                    return store.expire(9.0, heartbeat_timeout_s=1.0)
                case 1:
                    return store.fail_queued(("fake", "one"), ModelLoadFailed("no weights"), 3.0)
                case 2:
                    return [job.id for job in store.claim(ids[::-1], now=2.0)]
            return [job_id for job_id in ids if store.cancel_queued(job_id, 3.0)]

        assert sorted(job_id for ended in at_once(write) for job_id in ended) == sorted(ids)
