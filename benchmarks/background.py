"""A long job beside short ones: how soon an urgent job starts, and how much of the time the long one has."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, median, percentile
from tests.acceptance.processes import Engine, eventually, running_engine

STEP_S = 0.05
URGENT = 40
PACE_S = 0.02


def measure(seconds: float) -> list[Figure]:
    with running_engine(SKYLARK_ENGINE__MIN_RESIDENCY_S="0") as engine:
        engine.ended(engine.submit({"text": "a", "chunks": 1}))
        long = _train(engine)
        eventually(lambda: engine.status(long) == "running", "the long job runs")
        waits_s = [_urgent(engine) for _ in range(URGENT)]
        share, served = _share(engine, long, seconds)
        engine.client.cancel(long)
        attempts = engine.events(long)[-1]["attempts"]
    return [
        Figure("an urgent job beside a long one: waits, median", 1000 * median(waits_s), "ms"),
        Figure(
            f"… waits, p99, beyond a step of {1000 * STEP_S:g} ms",
            1000 * (percentile(waits_s, 99) - STEP_S),
            "ms",
            100,
        ),
        Figure("the long job's share of the time under a flood of short ones", share, ""),
        Figure("short jobs that were served meanwhile", served, ""),
        Figure("attempts of the long job", len(attempts), "", 1),
    ]


def _train(engine: Engine) -> str:
    payload = {"steps": 1_000_000, "step_s": STEP_S, "log": str(engine.folder / "steps.log")}
    (job_id,) = engine.client.submit([{"model_type": "counting", "payload": payload, "expires": False}])
    return job_id


def _urgent(engine: Engine) -> float:
    """Seconds from the job's acceptance to its start."""
    time.sleep(0.1)  # the long job is at work again
    job = engine.ended(engine.submit({"text": "now", "chunks": 1}, priority=0))
    return job["started_at"] - job["created_at"]


def _share(engine: Engine, long: str, seconds: float) -> tuple[float, int]:
    """The steps that were done while short jobs always waited, in seconds, of the time."""
    before, begun, served = _steps(engine, long), time.monotonic(), 0
    waiting = [_short(engine) for _ in range(4)]
    while time.monotonic() - begun < seconds:
        engine.ended(waiting.pop(0))
        waiting.append(_short(engine))
        served += 1
    taken_s = time.monotonic() - begun
    share = (_steps(engine, long) - before) * STEP_S / taken_s
    for job_id in waiting:
        engine.ended(job_id)
    return share, served


def _short(engine: Engine) -> str:
    return engine.submit({"text": "a", "chunks": 10, "pace_s": PACE_S}, batch_key="")


def _steps(engine: Engine, long: str) -> int:
    return round((engine.client.get(long)["progress"] or 0) * 1_000_000)
