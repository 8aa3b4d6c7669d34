"""The engine's memory over 50,000 no-op jobs, while old ones are cleared away: flat, and nothing left."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.figures import Figure
from benchmarks.forgetful import MODULE
from tests.acceptance.processes import Engine, eventually, running_engine

JOB = {"model_type": "fake", "payload": {"text": "x", "chunks": 1, "chunk_ms": 1}, "expires": False}
AT_ONCE, MOST_QUEUED = 100, 2_000
FIRST_JOBS, SETTLED_JOBS = 1_000, 10_000
"""Memory is compared with what it was after so many: then every pool has its size."""
PAUSE_S = 0.05
END_S = 600.0


@dataclass(frozen=True)
class Size:
    """How much there is of the engine, its server and its runners, with no job in hand."""

    own_mb: float
    """Memory that no other process shares (USS)."""
    resident_mb: float
    database_mb: float
    descriptors: int
    threads: int

    @staticmethod
    def of(engine: Engine) -> Size:
        server = engine.server.process
        family = [server, *server.children(recursive=True)]
        return Size(
            own_mb=sum(each.memory_full_info().uss for each in family) / 1e6,
            resident_mb=sum(each.memory_info().rss for each in family) / 1e6,
            database_mb=sum(file.stat().st_size for file in engine.folder.glob("jobs.sqlite3*")) / 1e6,
            descriptors=sum(each.num_fds() for each in family),
            threads=sum(each.num_threads() for each in family),
        )


def work(engine: Engine, jobs: int) -> None:
    """Submits that many, never too many at once; returns when all have ended."""
    for _ in range(0, jobs, AT_ONCE):
        engine.client.submit([JOB] * AT_ONCE)
        eventually(lambda: _queued(engine) < MOST_QUEUED, "jobs are done", END_S)
    eventually(lambda: _queued(engine) == 0 and not engine.client.queue()["active"], "all ended", END_S)


def _queued(engine: Engine) -> int:
    return engine.client.health(timeout_s=30)["queue_depth"]


def forgotten(engine: Engine) -> bool:
    """Whether nothing is left of the jobs that have ended."""
    return not engine.client.queue()["recent"] and not list((engine.folder / "results").iterdir())


def measure(jobs: int) -> list[Figure]:
    begun = time.monotonic()
    with running_engine(MODULE) as engine:
        work(engine, FIRST_JOBS)
        first = Size.of(engine)
        work(engine, SETTLED_JOBS - FIRST_JOBS)
        settled = Size.of(engine)
        work(engine, jobs - SETTLED_JOBS)
        last = Size.of(engine)
        seconds = time.monotonic() - begun
        eventually(lambda: forgotten(engine), "what has ended is cleared away", END_S)
    return [
        Figure("no-op jobs", jobs, ""),
        Figure("jobs a second, with the start", jobs / seconds, "per s"),
        Figure(f"memory of its own after {FIRST_JOBS} jobs", first.own_mb, "MB"),
        Figure(f"memory of its own after {SETTLED_JOBS}", settled.own_mb, "MB"),
        Figure(f"memory of its own after {jobs}", last.own_mb, "MB"),
        Figure(f"the last over that after {SETTLED_JOBS}", last.own_mb / settled.own_mb, "", 1.05),
        Figure("the same of resident memory", last.resident_mb / settled.resident_mb, "", 1.05),
        Figure(f"database after {SETTLED_JOBS}", settled.database_mb, "MB"),
        Figure(f"database after {jobs}", last.database_mb, "MB"),
        Figure("descriptors, the last over those", last.descriptors / settled.descriptors, "", 1.05),
        Figure("threads, the last over those", last.threads / settled.threads, "", 1.05),
    ]
