"""kill -9 of engine, server and runner at random moments, while jobs keep coming: none may be lost."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psutil

from benchmarks.customer import Customer
from benchmarks.figures import Figure
from benchmarks.ledger import Ledger
from servers.errors import EngineUnavailable
from servers.jobs.job import Job, Status
from servers.jobs.results import BYTES_PER_SAMPLE, Results
from servers.jobs.store import Store
from tests.acceptance.processes import Engine, eventually, running_engine
from tests.jobs.private_postgres import private_postgres

VICTIMS: Mapping[str, int] = {"runner": 6, "worker": 2, "server": 2}
"""How often each is killed: a worker is gunicorn's child, the engine itself; a server is both."""
STORES = ("sqlite", "postgresql")
MAX_ATTEMPTS = 3
AT_ONCE = 100
END_S = 120.0
LONGEST_WORK_S = 0.05


class Campaign:
    """One engine, a customer who keeps it busy, and kills until `kills` is reached."""

    def __init__(self, engine: Engine, dice: random.Random, victims: Mapping[str, int] = VICTIMS) -> None:
        self.engine, self._dice, self._victims = engine, dice, victims
        self.customer = Customer(engine.client, random.Random(dice.random()))
        self.killed: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        """Where each job was that an engine's death interrupted."""

    def wage(self, kills: int) -> None:
        with ThreadPoolExecutor(1) as pool:
            serving = pool.submit(self.customer.serve)
            try:
                for _ in range(kills):
                    eventually(lambda: serving.done() or self.works(), "jobs run again", END_S)
                    time.sleep(self._dice.uniform(0, LONGEST_WORK_S))
                    self.kill()
            finally:
                self.customer.leave()
            serving.result()
        eventually(self.all_ended, "every accepted job has ended", END_S)
        self.customer.look_again()

    def all_ended(self) -> bool:
        self.customer.look()
        return not self.customer.open()

    def works(self) -> bool:
        """A job runs and no model loads: one that never gets loaded is another matter."""
        try:
            loading = self.engine.client.health()["loading"]
            return not loading and self.engine.client.queue()["active"] is not None
        except EngineUnavailable:
            return False

    def kill(self) -> None:
        victim = self._dice.choices(list(self._victims), weights=list(self._victims.values()))[0]
        self.killed[victim] += 1
        workers = self.engine.server.workers
        if victim == "runner":
            runners = [child for worker in workers for child in _children(worker)]
            kill_all(self._dice.sample(runners, self._dice.randint(min(1, len(runners)), len(runners))))
        elif victim == "worker":
            kill_all(workers)
            self.phases.update(self._interrupted())
        else:
            self.engine.server.kill()
            kill_all(workers)
            self.phases.update(self._interrupted())
            self.engine.start()

    def _interrupted(self) -> list[str]:
        with self._as_it_was_left() as store:
            return [self._phase(job) for job in store.in_status(Status.RUNNING, AT_ONCE)]

    def _phase(self, job: Job) -> str:
        """How far a job had come, from the file of its present claim."""
        audio = Results(self.engine.folder).path(job)
        order = self.customer.orders.get(job.id)
        written = audio.stat().st_size // BYTES_PER_SAMPLE if audio.exists() else 0
        if written == 0:
            return "claimed, nothing made yet"
        return "made, not committed" if order and written == order.samples else "partly made"

    @contextmanager
    def _as_it_was_left(self) -> Iterator[Store]:
        """The database; of SQLite's files a copy, so that the engine itself has to mend them."""
        url = self.engine.environment.get("SKYLARK_DATABASE_URL")
        with tempfile.TemporaryDirectory() as folder:
            for file in self.engine.folder.glob("jobs.sqlite3*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, folder)
            store = Store(url or f"sqlite:///{folder}/jobs.sqlite3")
            try:
                yield store
            finally:
                store.close()

    def ledger(self) -> Ledger:
        with self._as_it_was_left() as store:
            return Ledger().read(store, self.engine.folder, self.customer.orders)


def measure(kills: int, store: str = "sqlite", side_by_side: int = 1, seed: int = 1) -> list[Figure]:
    """`side_by_side` engines share the kills, for most of the time of each goes into starting again."""
    with ExitStack() as stack, ThreadPoolExecutor(side_by_side) as pool:
        server = stack.enter_context(private_postgres()) if store == "postgresql" else None
        urls = [server.new_database() if server else None for _ in range(side_by_side)]
        shares = [kills // side_by_side + (i < kills % side_by_side) for i in range(side_by_side)]
        seeds = [seed * 1000 + i for i in range(side_by_side)]
        campaigns = list(pool.map(_waged, shares, seeds, urls))
    return figures(campaigns)


def _waged(kills: int, seed: int, url: str | None) -> tuple[Campaign, Ledger]:
    settings = {"SKYLARK_DATABASE_URL": url} if url else {}
    with running_engine(SKYLARK_ENGINE__MAX_ATTEMPTS=str(MAX_ATTEMPTS), **settings) as engine:
        campaign = Campaign(engine, random.Random(seed))
        campaign.wage(kills)
        return campaign, campaign.ledger()


def figures(waged: Sequence[tuple[Campaign, Ledger]]) -> list[Figure]:
    killed: Counter[str] = sum((campaign.killed for campaign, _ in waged), Counter())
    phases: Counter[str] = sum((campaign.phases for campaign, _ in waged), Counter())
    customers = [campaign.customer for campaign, _ in waged]
    ledger = Ledger()
    for _, each in waged:
        ledger = ledger.add(each)
    return [
        Figure("kills", killed.total(), ""),
        *(Figure(f"kills: {victim}", count, "") for victim, count in sorted(killed.items())),
        *ledger.figures(MAX_ATTEMPTS),
        Figure("jobs whose end changed", sum(len(each.changed) for each in customers), "", 0),
        Figure(
            "submits that were not answered, and sent again", sum(each.repeated for each in customers), ""
        ),
        Figure(
            "keys that gave no job, or two",
            sum(len(set(each.keys)) for each in customers) - sum(len(each.orders) for each in customers),
            "",
            0,
        ),
        *(Figure(f"met by an engine's end: {name}", count, "") for name, count in sorted(phases.items())),
    ]


def kill_all(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:  # it was quicker
            continue


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
