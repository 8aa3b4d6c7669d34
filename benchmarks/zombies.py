"""SIGSTOP of a runner past its lease, and SIGCONT: whatever it still says then, each job ends once.

The engine itself is stopped in the same way now and then: it then finds a lease over that its runner kept.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from benchmarks.customer import Order
from benchmarks.figures import Figure
from benchmarks.ledger import Ledger
from servers.errors import EngineUnavailable
from servers.jobs.store import Store
from tests.acceptance.processes import Engine, alive, eventually, running_engine

RUNNER, ENGINE = "runners", "engines"
ENGINE_EVERY = 5
"""After so many runners, an engine is stopped."""
LEASE_S = 2.0
"""The least that the settings allow."""
TICK_S = 1.0
"""The engine looks at least this often whether a runner is silent, so it is found dead up to this late."""
MAX_ATTEMPTS = 3
SIDE_BY_SIDE = 4
"""Engines at the same time: nearly all of it is waiting."""
END_S = 120.0


@dataclass
class Zombies:
    """An engine whose runners are stopped and continued: what they worked on, and what became of them."""

    engine: Engine
    dice: random.Random
    orders: dict[str, Order] = field(default_factory=dict)
    fates: Counter[str] = field(default_factory=Counter)
    held_s: list[float] = field(default_factory=list)

    def raise_one(self, number: int, victim: str = RUNNER) -> None:
        """A job whose runner, or its engine, is stopped amid its work, and one that waits behind it."""
        job_id = self._submit(number, chunks=20, pace_s=0.01)
        self._submit(number + 1, chunks=1, pace_s=0)
        # a stream that breaks is what happens here: how it goes on is the stream campaign's affair
        with suppress(EngineUnavailable), self.engine.client.audio(job_id) as audio:
            next(audio.chunks)
            time.sleep(self.dice.uniform(0, 0.1))
            self._stop_and_continue(victim)
        eventually(lambda: self._ended(self.orders), "every job has ended", END_S)

    def _submit(self, number: int, chunks: int, pace_s: float) -> str:
        order = Order(number, chunks, pace_s, model="numbered", priority=10, together=False)
        (job_id,) = self.engine.client.submit([order.wire()])
        self.orders[job_id] = order
        return job_id

    def _stop_and_continue(self, victim: str) -> None:
        """Past the lease in any case; now before the engine has noticed, now after it."""
        (runner,) = self.engine.runners()
        process = self.engine.worker if victim == ENGINE else runner
        held_s = LEASE_S + self.dice.uniform(0.01, 1.2 * TICK_S)
        process.suspend()
        time.sleep(held_s)
        self.held_s.append(held_s)
        with suppress(psutil.NoSuchProcess):
            process.resume()
        fate = "ended by the engine by then" if victim == RUNNER and not alive([runner]) else "that went on"
        self.fates[f"{victim} {fate}"] += 1

    def _ended(self, job_ids: Sequence[str]) -> bool:
        return all(self.engine.client.get(job_id)["finished_at"] is not None for job_id in job_ids)

    def ledger(self) -> Ledger:
        store = Store(f"sqlite:///{self.engine.folder}/jobs.sqlite3")
        try:
            return Ledger().read(store, self.engine.folder, self.orders)
        finally:
            store.close()


def haunt(stops: int, seed: int) -> tuple[Zombies, Ledger]:
    lease = {"SKYLARK_ENGINE__LEASE_S": str(LEASE_S), "SKYLARK_ENGINE__MAX_ATTEMPTS": str(MAX_ATTEMPTS)}
    with running_engine(**lease) as engine:
        zombies = Zombies(engine, random.Random(seed))
        for each in range(stops):
            zombies.raise_one(1 + 4 * each)
            if (each + 1) % ENGINE_EVERY == 0:
                zombies.raise_one(3 + 4 * each, ENGINE)
        return zombies, zombies.ledger()


def measure(stops: int, seed: int = 1) -> list[Figure]:
    shares = [stops // SIDE_BY_SIDE + (i < stops % SIDE_BY_SIDE) for i in range(SIDE_BY_SIDE)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        haunted = list(pool.map(haunt, shares, [seed * 1000 + i for i in range(SIDE_BY_SIDE)]))
    ledger, fates = Ledger(), Counter[str]()
    for zombies, each in haunted:
        ledger, fates = ledger.add(each), fates + zombies.fates
    return [
        Figure("stopped past the lease, and continued", fates.total(), ""),
        *(Figure(f"of these {fate}", count, "") for fate, count in sorted(fates.items())),
        Figure("shortest stop", min(s for zombies, _ in haunted for s in zombies.held_s), "s"),
        *ledger.figures(MAX_ATTEMPTS),
        Figure("jobs that are not done", ledger.failed, "", 0),
    ]
