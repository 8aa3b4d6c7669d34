"""A mixed trace through the real engine: model swaps against first-in-first-out, waiting, and urgent jobs.

Each model is a process that is really started and ended. Only one is resident at a time.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, median, percentile
from tests.acceptance.processes import Engine, running_engine

MODELS = {f"m{i}": {"load_s": 0.05 + 0.0125 * i} for i in range(5)}
APPLICATIONS = ("books", "news", "chat")
RUN_S = 0.005
SPREAD_S = 60.0
"""The jobs come at random over this time, whatever the engine is at: for that many swaps it is too short."""
END_S = 600.0

FLOOD_MAX_WAIT_S = 5.0
FLOOD_WAITING, LONELY = 40, 3
URGENT, URGENT_RUN_S = 60, 0.02


@dataclass(frozen=True)
class Served:
    """When a job was accepted, begun and done, in seconds since the epoch."""

    id: str
    model: str
    created_at: float
    started_at: float
    finished_at: float

    @property
    def wait_s(self) -> float:
        return self.started_at - self.created_at


def measure(jobs: int, seed: int = 1) -> list[Figure]:
    with engine_of_one_model() as engine:
        figures = mixed(engine, jobs, random.Random(seed))
    with engine_of_one_model(SKYLARK_ENGINE__MAX_WAIT_S=str(FLOOD_MAX_WAIT_S)) as engine:
        return figures + flooded(engine) + urgent(engine, random.Random(seed))


@contextmanager
def engine_of_one_model(**settings: str) -> Iterator[Engine]:
    """An engine that knows MODELS, and has one of them at a time."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models.yaml"
        models.write_text(json.dumps({"backends": {"fake": {"default": "m0", "models": MODELS}}}))
        settings |= {"SKYLARK_MODELS_FILE": str(models), "SKYLARK_ENGINE__MAX_MODELS": "1"}
        with running_engine(**settings) as engine:
            yield engine


# the mixed trace


def mixed(engine: Engine, jobs: int, dice: random.Random, spread_s: float = SPREAD_S) -> list[Figure]:
    """With the default settings: max_wait_s is 60, min_residency_s 2."""
    models = [dice.choice(list(MODELS)) for _ in range(jobs)]
    ids = _come(engine, models, sorted(dice.uniform(0, spread_s) for _ in range(jobs)), dice)
    served = _served(engine, ids)
    loads = _load_s(engine)
    theirs = 1 + sum(one != next_one for one, next_one in pairwise(job.model for job in served))
    longest_wait_s = max(job.wait_s for job in served)
    one_job_s = max(loads) + max(job.finished_at - job.started_at for job in served)
    return [
        Figure(f"jobs for {len(MODELS)} models of {len(APPLICATIONS)} applications", jobs, ""),
        Figure("models loaded, by first-in-first-out", theirs, ""),
        Figure("models loaded", len(loads), ""),
        Figure("of first-in-first-out's", len(loads) / theirs, "", 0.2),
        Figure("a load, median", median(loads), "s"),
        Figure("longest wait of a job", longest_wait_s, "s", 60 + one_job_s),
        Figure("wait of a job, median", median([job.wait_s for job in served]), "s"),
    ]


def _come(engine: Engine, models: Sequence[str], at_s: Sequence[float], dice: random.Random) -> list[str]:
    """Submits the jobs, each at its time; returns their ids in the order in which they came."""
    ids, begun = [], time.monotonic()
    for model, at in zip(models, at_s, strict=True):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        ids.append(_submit(engine, model, RUN_S, application_id=dice.choice(APPLICATIONS)))
    return ids


def _submit(engine: Engine, model: str, run_s: float, **fields: Any) -> str:
    payload = {"text": "x", "chunks": 1, "pace_s": run_s}
    return engine.submit(payload, model=model, batch_key="", expires=False, **fields)


def _served(engine: Engine, ids: Sequence[str]) -> list[Served]:
    jobs = [engine.ended(job_id, END_S) for job_id in ids]
    assert {job["status"] for job in jobs} == {"done"}
    return [Served(**{name: job[name] for name in Served.__dataclass_fields__}) for job in jobs]


def _load_s(engine: Engine) -> list[float]:
    """How long each load took, from its process's start to its being ready: the engine's log has them all."""
    lines = [json.loads(line) for line in engine.server.log.read_text().splitlines() if line.startswith("{")]
    begun = sum(line.get("action") == "load" for line in lines)
    took = [line["load_s"] for line in lines if line.get("action") == "ready"]
    assert begun == len(took), f"{begun} loads were begun and {len(took)} were completed"
    return took


# a flood for the resident model, and a lonely job for another


def flooded(engine: Engine) -> list[Figure]:
    """How long the lonely one waits while there is always work for the resident model."""
    lonely = [_flood_one(engine, f"m{1 + each}") for each in range(LONELY)]
    until_served = [job.started_at - job.created_at for job, _, _ in lonely]
    until_turn = [flood_ended_at - job.created_at for job, flood_ended_at, _ in lonely]
    longest_run_s = max(run_s for _, _, run_s in lonely)
    turn_limit_s = FLOOD_MAX_WAIT_S + longest_run_s
    return [
        Figure("lonely jobs under a flood for another model", len(lonely), ""),
        Figure(
            f"until the flood gave way, max_wait_s {FLOOD_MAX_WAIT_S:g}", max(until_turn), "s", turn_limit_s
        ),
        Figure("the shortest of these: they did wait", min(until_turn), "s"),
        Figure("until they began, with the swap of models, longest", max(until_served), "s"),
    ]


def _flood_one(engine: Engine, model: str) -> tuple[Served, float, float]:
    """A lonely job, when the last job before it ended, and how long the longest of these took."""
    flood = [_submit(engine, "m0", URGENT_RUN_S) for _ in range(FLOOD_WAITING)]
    engine.ended(flood[0])
    lonely_id = _submit(engine, model, RUN_S)
    while engine.status(lonely_id) == "queued":
        flood += [_submit(engine, "m0", URGENT_RUN_S) for _ in range(FLOOD_WAITING - _queued(engine))]
    (lonely,) = _served(engine, [lonely_id])
    before = [job for job in _served(engine, flood) if job.started_at < lonely.started_at]
    return (
        lonely,
        max(job.finished_at for job in before),
        max(job.finished_at - job.started_at for job in before),
    )


def _queued(engine: Engine) -> int:
    return engine.client.health()["queue_depth"]


# urgent jobs for the resident model


def urgent(engine: Engine, dice: random.Random, count: int = URGENT) -> list[Figure]:
    """From the end of the job that ran to the start of the urgent one, while others wait."""
    ordinary: list[str] = []
    hurried: dict[str, float] = {}  # and when its acceptance was heard
    while len(hurried) < count:
        ordinary += [_submit(engine, "m0", URGENT_RUN_S) for _ in range(10 - _queued(engine))]
        time.sleep(dice.uniform(0, 3 * URGENT_RUN_S))
        hurried[_submit(engine, "m0", RUN_S, priority=0)] = time.time()
    urgents, others = _served(engine, list(hurried)), _served(engine, ordinary)
    everything = sorted(urgents + others, key=lambda job: job.started_at)
    delays_ms = [_delay_s(job, everything) * 1000 for job in urgents]
    begun = [sum(hurried[job.id] < other.started_at < job.started_at for other in others) for job in urgents]
    return [
        Figure("urgent jobs among ordinary ones", len(urgents), ""),
        Figure("from the running one's end to an urgent one's start, median", median(delays_ms), "ms"),
        Figure("the same, p99", percentile(delays_ms, 99), "ms", 100),
        Figure("ordinary jobs begun while an urgent one waited, most", max(begun), "", 1),
    ]


def _delay_s(job: Served, everything: Sequence[Served]) -> float:
    """Since the job before it ended, or since it came itself, whichever was later."""
    place = bisect_left(everything, job.started_at, key=lambda other: other.started_at)
    before = everything[place - 1].finished_at if place else job.created_at
    return job.started_at - max(before, job.created_at)
