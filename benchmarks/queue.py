"""The queue itself: no-op jobs a second, the claim with a long queue, and 200 clients that wait."""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Figure, median, percentile
from servers.jobs.job import Job
from servers.jobs.store import Store
from tests.acceptance.processes import Engine, running_engine
from tests.jobs.private_postgres import private_postgres

NO_OP = {"text": "x", "chunks": 1, "chunk_ms": 1}
LONG = {"text": "long", "chunks": 100_000, "pace_s": 0.05}
QUEUED, CLAIMS = 10_000, 300
JOBS, SUBMIT_AT_ONCE, WAITERS = 3_000, 50, 200


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        on_sqlite = _claims(f"sqlite:///{folder}/jobs.sqlite3", "SQLite")
    with private_postgres() as server:
        on_postgres = _claims(server.new_database(), "PostgreSQL")
    with running_engine() as engine:
        jobs_per_s = _throughput(engine)
        waiting_ms = _with_waiters(engine)
    return [
        *on_sqlite,
        *on_postgres,
        Figure("seconds for 200 no-op jobs through the whole path", 200 / jobs_per_s, "s", 1),
        Figure("no-op jobs through the whole path", jobs_per_s, "per s"),
        Figure(
            f"/health with {WAITERS} clients waiting, p99", percentile(waiting_ms["health"], 99), "ms", 100
        ),
        Figure(
            f"submit with {WAITERS} clients waiting, p99", percentile(waiting_ms["submit"], 99), "ms", 100
        ),
    ]


def _claims(url: str, kind: str) -> list[Figure]:
    """Of each turn: look at the heads, claim one."""
    store = Store(url)
    for first in range(0, QUEUED, 1000):
        store.submit([_job(first + i) for i in range(1000)], max_queued=QUEUED)
    times_ms = [_timed_ms(lambda: _turn(store)) for _ in range(CLAIMS)]
    store.close()
    what = f"heads and claim with {QUEUED} queued jobs, {kind}"
    return [
        Figure(f"{what}, median", median(times_ms), "ms"),
        Figure(f"{what}, p99", percentile(times_ms, 99), "ms", 20),
    ]


def _turn(store: Store) -> None:
    store.claim([min(store.heads(), key=lambda head: head.seq).id], time.time())


def _job(number: int) -> Job:
    now = time.time()
    return Job(
        id=str(uuid.uuid4()),
        model_type="fake",
        model=str(number % 5),
        application_id=f"app{number % 3}",
        created_at=now,
        last_heartbeat=now,
        payload={"text": "x"},
    )


def _throughput(engine: Engine) -> float:
    engine.ended(engine.submit(NO_OP))  # loads the model
    begun = time.perf_counter()
    ids = []
    for _ in range(0, JOBS, SUBMIT_AT_ONCE):
        ids += engine.client.submit([{"model_type": "fake", "payload": NO_OP}] * SUBMIT_AT_ONCE)
    engine.ended(ids[-1], 300)
    return JOBS / (time.perf_counter() - begun)


def _with_waiters(engine: Engine) -> dict[str, list[float]]:
    """Milliseconds of /health and of a submit while 200 clients wait for a job that does not end."""
    job_id = engine.submit(LONG)
    over = threading.Event()
    with ThreadPoolExecutor(WAITERS) as pool:
        for _ in range(WAITERS):
            pool.submit(_wait_until, over, engine, job_id)
        health, submit = [], []
        for _ in range(200):
            health.append(_timed_ms(engine.client.health))
            submit.append(_timed_ms(lambda: engine.submit(NO_OP)))
        over.set()
        engine.client.cancel(job_id)
    return {"health": health, "submit": submit}


def _wait_until(over: threading.Event, engine: Engine, job_id: str) -> None:
    while not over.is_set():
        engine.client.get(job_id, wait_s=10)


def _timed_ms(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000
