"""kill -9 of the door that clients wait at, and of what is behind it: who asks again is served."""

from __future__ import annotations

import base64
import io
import itertools
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import requests
import soundfile

from benchmarks.customer import NUMBERS, Customer, Draw, Order, is_numbered
from benchmarks.figures import Figure
from benchmarks.kill import END_S, MAX_ATTEMPTS, kill_all
from benchmarks.ledger import Ledger
from servers.errors import EngineUnavailable
from servers.jobs.job import Job, Status
from servers.jobs.store import Store
from tests.acceptance.processes import Appliance, Served, Session, eventually, running_appliance

CLIENTS = 6
VICTIMS: Mapping[str, int] = {
    "tts worker": 5,
    "runner": 3,
    "engine worker": 2,
    "tts server": 1,
    "engine server": 1,
}
SERVER_RESTS_S = 12.0
"""supervisord gives up a server that does not live for its startsecs of 10 s, three times: as it should."""
AWAY_STATUS = 503
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""A connection that ended before the answer, or amid it."""
PAUSE_S = 0.1
CHUNKS, CHUNK_MS = 3, 100
"""What the stand-in speaks when a request does not say."""
ALL = 1_000_000


@dataclass
class Clients:
    """Who asks the tts door, again and again with the same key, until all its texts were spoken."""

    appliance: Served
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    served: int = 0
    again: Counter[str] = field(default_factory=Counter)
    """Why a request was sent once more."""
    faults: list[str] = field(default_factory=list)
    patience_s: float = END_S
    leaving: threading.Event = field(default_factory=threading.Event)
    _noting: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, dice: random.Random) -> None:
        """Runs in a thread for each client."""
        while not self.leaving.is_set():
            self._ask_for([next(self.numbers) % NUMBERS for _ in range(dice.randint(1, 4))])

    def _ask_for(self, numbers: list[int]) -> None:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        eventually(lambda: self._answered(numbers, key), "a request is answered", self.patience_s)

    def _answered(self, numbers: list[int], key: dict[str, str]) -> bool:
        body = {"texts": [f"number {number}" for number in numbers], "model": "fake/numbered"}
        url = self.appliance.url("tts", "/generate_batch")
        try:
            with Session() as http:
                http.headers.update(self.appliance.http.headers)
                reply = http.post(url, json=body, headers=key)
        except LOST:  # the door was killed
            return self._once_more("connection lost")
        if reply.status_code == AWAY_STATUS:
            return self._once_more(reply.json()["error"]["code"])
        self._check(numbers, reply)
        return True

    def _once_more(self, why: str) -> bool:
        with self._noting:
            self.again[why] += 1
        time.sleep(PAUSE_S)
        return False

    def _check(self, numbers: list[int], reply: requests.Response) -> None:
        with self._noting:
            self.served += len(numbers)
            if reply.status_code != 200:
                self.faults.append(f"{reply.status_code}: {reply.text[:300]}")
                return
            for number, result in zip(numbers, reply.json()["results"], strict=True):
                if "error" in result or not _is_spoken(result, number):
                    self.faults.append(f"{number}: {str(result)[:300]}")


def _is_spoken(result: dict, number: int) -> bool:
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(result["audio"])), dtype="int16")
    whole = len(samples) == _order(number).samples
    return whole and is_numbered(samples.astype("<i2").tobytes(), number, 0)


def _order(number: int) -> Order:
    return Order(number, CHUNKS, 0, "numbered", priority=10, together=False, chunk_ms=CHUNK_MS)


class Siege:
    """An appliance, clients at its door, one more at the job API, and kills."""

    def __init__(
        self, appliance: Served, dice: random.Random, waiting: int = 6, draw: Draw = Order.drawn
    ) -> None:
        self.appliance, self._dice = appliance, dice
        self.clients = Clients(appliance)
        self.customer = Customer(appliance.jobs, random.Random(dice.random()), waiting, draw)
        self.killed: Counter[str] = Counter()

    def lay(self, kills: int) -> None:
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            busy = [pool.submit(self.customer.serve)]
            busy += [
                pool.submit(self.clients.ask, random.Random(self._dice.random())) for _ in range(CLIENTS)
            ]
            try:
                while self.killed.total() < kills and not _any_failed(busy):
                    eventually(lambda: _any_failed(busy) or self.works(), "clients wait again", END_S)
                    time.sleep(self._dice.uniform(0, 0.1))
                    self.kill()
            finally:
                self.customer.leave()
                self.clients.leaving.set()
            for each in busy:
                each.result()
        eventually(lambda: ended(self.appliance), "every accepted job has ended", END_S)
        self.customer.look()

    def works(self) -> bool:
        """A job runs, no model loads, the door takes requests, and none of it is an orphan's last words."""
        try:
            loading = self.appliance.jobs.health()["loading"]
            busy = not loading and self.appliance.jobs.queue()["active"] is not None
        except EngineUnavailable:
            return False
        there = all(self.appliance.named(f"servers.{name}.app") for name in ("tts", "engine"))
        return busy and there and self.appliance.ready("tts")

    def kill(self) -> None:
        """One of the processes; none where the one that was meant is not there at the moment."""
        victim = self._dice.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
        name, _, part = victim.partition(" ")
        if victim == "runner":
            victims = self.appliance.named("servers.runner")
        elif not (victims := self.appliance.named(f"servers.{name}.app")):
            return
        elif part != "server" or time.time() - victims[0].create_time() < SERVER_RESTS_S:
            victim, victims = f"{name} worker", victims[1:]
        self.killed[victim] += bool(victims)
        kill_all(victims)

    def ledger(self) -> Ledger:
        """Of every job that there is: the database has them all, also those whose client heard nothing."""
        store = Store(f"sqlite:///{self.appliance.folder}/jobs.sqlite3")
        try:
            jobs = [job for status in (Status.QUEUED, Status.RUNNING) for job in store.in_status(status, ALL)]
            jobs += store.recently_ended(ALL)
            orders = {job.id: self.customer.orders.get(job.id) or _of_door(job) for job in jobs}
            missing = self.customer.orders.keys() - orders.keys()
            return Ledger(lost=sorted(missing)).read(store, self.appliance.folder, orders)
        finally:
            store.close()


def ended(appliance: Appliance) -> bool:
    """Whether every job has."""
    try:
        queue = appliance.jobs.queue()
    except EngineUnavailable:
        return False
    return not (queue["running"] or queue["queued"])


def _of_door(job: Job) -> Order:
    return _order(int(job.payload["text"].split()[-1]))


def _any_failed(busy: list[Future[None]]) -> bool:
    return any(each.done() for each in busy)


def besieged(kills: int, seed: int = 1) -> tuple[Siege, Ledger]:
    with running_appliance(SKYLARK_ENGINE__MAX_ATTEMPTS=str(MAX_ATTEMPTS)) as appliance:
        siege = Siege(appliance, random.Random(seed))
        siege.lay(kills)
        return siege, siege.ledger()


def measure(kills: int, seed: int = 1) -> list[Figure]:
    return figures(*besieged(kills, seed))


def figures(siege: Siege, ledger: Ledger) -> list[Figure]:
    clients, customer = siege.clients, siege.customer
    for fault in clients.faults[:10]:
        print(fault)
    spoken_for_nobody = ledger.jobs - len(customer.orders) - clients.served
    return [
        Figure("kills", siege.killed.total(), ""),
        *(Figure(f"kills: {victim}", count, "") for victim, count in sorted(siege.killed.items())),
        Figure("texts that clients of the door were served", clients.served, ""),
        Figure("wrong answers, and errors but 503", len(clients.faults), "", 0),
        *(Figure(f"requests sent again: {why}", count, "") for why, count in clients.again.items()),
        *ledger.figures(MAX_ATTEMPTS),
        Figure("jobs of the job API whose end changed", len(customer.changed), "", 0),
        Figure("its keys that gave no job, or two", len(customer.keys) - len(customer.orders), "", 0),
        Figure("jobs of the door that were done for nobody", spoken_for_nobody, "", 0),
    ]
