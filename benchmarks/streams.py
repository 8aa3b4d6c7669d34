"""Live audio that is dropped, cancelled, resumed, read slowly: each sample has to be its own job's."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks.customer import NUMBERS, Order, is_numbered
from benchmarks.figures import Figure
from servers.errors import EngineUnavailable, JobCancelled, JobNotFound, SkylarkError
from servers.jobs.results import BYTES_PER_SAMPLE
from tests.acceptance.processes import Engine, running_engine

CLIENTS = 16
DESCRIPTORS = 32
"""An engine keeps a connection for each client, and a little beside."""


@dataclass
class Heard:
    """What the clients heard; each list has one line for each fault."""

    kinds: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    foreign: list[str] = field(default_factory=list)
    """Streams with a sample that is not theirs, or not in its place."""
    cut: list[str] = field(default_factory=list)
    """Streams that ended early, unasked."""
    errors: list[str] = field(default_factory=list)

    def add(self, other: Heard) -> Heard:
        return Heard(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


class Listener:
    """One client: asks for jobs, listens to each in its own way, and checks all that it hears."""

    def __init__(self, engine: Engine, dice: random.Random) -> None:
        self.heard = Heard()
        self._engine, self._dice = engine, dice
        self._ways = (
            self.listen,
            self.drop,
            self.resume,
            self.reread,
            self.cancel,
            self.withdraw,
            self.slowly,
        )

    def hear(self, number: int) -> None:
        order = self._order(number)
        way = self._dice.choice(self._ways)
        self.heard.kinds[way.__name__] += 1
        (job_id,) = self._engine.client.submit([order.wire()])
        try:
            way(job_id, order)
        except SkylarkError as error:
            self.heard.errors.append(f"{way.__name__} {number}: {error.code}: {error.message}")

    def _order(self, number: int) -> Order:
        return Order(
            number=number % NUMBERS,
            chunks=self._dice.randint(4, 12),
            pace_s=self._dice.choice((0, 0.001, 0.003)),
            model="numbered",
            priority=10,
            together=self._dice.random() < 0.5,
        )

    # the ways to listen

    def listen(self, job_id: str, order: Order) -> None:
        self._to_the_end(job_id, order)

    def drop(self, job_id: str, order: Order) -> None:
        self._some(job_id, order)

    def resume(self, job_id: str, order: Order) -> None:
        """From where it was, as often as it takes."""
        start = 0
        while start < order.samples // 2:
            start += self._some(job_id, order, start)
        self._to_the_end(job_id, order, start)

    def reread(self, job_id: str, order: Order) -> None:
        """Again from anywhere, also from before what was heard, and past the end."""
        self._some(job_id, order)
        self._to_the_end(job_id, order, self._dice.randint(0, order.samples))
        self._to_the_end(job_id, order, order.samples + 1)

    def cancel(self, job_id: str, order: Order) -> None:
        """Amid the stream: what still comes is the job's own, and then the stream breaks."""
        with self._checked(job_id, order) as chunks, suppress(EngineUnavailable):
            next(chunks, None)
            self._engine.client.cancel(job_id)
            for _ in chunks:
                continue

    def withdraw(self, job_id: str, order: Order) -> None:
        """While it is queued; one that runs already is heard to its end."""
        try:
            self._engine.client._call("DELETE", f"/jobs/{job_id}")
        except JobNotFound:
            self._to_the_end(job_id, order)
            return
        with suppress(JobCancelled):
            self._to_the_end(job_id, order)
            self.heard.foreign.append(f"withdrawn {order.number} has audio")

    def slowly(self, job_id: str, order: Order) -> None:
        self._to_the_end(job_id, order, pause_s=0.005)

    # what they share

    def _some(self, job_id: str, order: Order, start: int = 0) -> int:
        """Leaves after a few chunks; returns how many samples were heard."""
        most = self._dice.randint(1, 3)
        with self._checked(job_id, order, start) as chunks:
            return sum(len(chunk) for _, chunk in zip(range(most), chunks, strict=False)) // BYTES_PER_SAMPLE

    def _to_the_end(self, job_id: str, order: Order, start: int = 0, pause_s: float = 0.0) -> None:
        size = 0
        with self._checked(job_id, order, start) as chunks:
            for chunk in chunks:
                size += len(chunk)
                time.sleep(pause_s)
        if size != max(0, order.samples - start) * BYTES_PER_SAMPLE:
            self.heard.cut.append(f"{order.number} from {start}: {size} bytes of {order.samples} samples")

    @contextmanager
    def _checked(self, job_id: str, order: Order, start: int = 0) -> Iterator[Iterator[bytes]]:
        """The chunks of a stream; in the end each sample that came is compared with what it has to be."""
        came = bytearray()
        try:
            with self._engine.client.audio(job_id, start=start) as audio:
                yield _kept(audio.chunks, came)
        finally:
            self.heard.samples += len(came) // BYTES_PER_SAMPLE
            if not is_numbered(came, order.number, start):
                self.heard.foreign.append(f"{order.number} from {start}: {came[:16].hex()}")


def _kept(chunks: Iterator[bytes], came: bytearray) -> Iterator[bytes]:
    for chunk in chunks:
        came += chunk
        yield chunk


def stream(engine: Engine, streams: int, seed: int) -> Heard:
    """What all clients together heard of that many jobs; the clients listen at the same time."""
    listeners = [Listener(engine, random.Random(seed * CLIENTS + i)) for i in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(_hear_all, listeners, [range(1 + i, 1 + streams, CLIENTS) for i in range(CLIENTS)]))
    heard = Heard()
    for listener in listeners:
        heard = heard.add(listener.heard)
    return heard


def _hear_all(listener: Listener, numbers: range) -> None:
    for number in numbers:
        listener.hear(number)


def measure(streams: int, seed: int = 1) -> list[Figure]:
    with running_engine() as engine:
        engine.ended(engine.submit({"text": "number 1"}, model="numbered"))
        before = engine.worker.num_fds()
        heard = stream(engine, streams, seed)
        descriptors = engine.worker.num_fds() - before
        waiting = len(engine.client.queue()["queued"])
    for line in (*heard.foreign, *heard.cut, *heard.errors)[:20]:
        print(line)
    return [
        Figure("jobs whose audio was streamed", heard.kinds.total(), ""),
        *(Figure(f"of these: {kind}", count, "") for kind, count in sorted(heard.kinds.items())),
        Figure("samples heard and checked", heard.samples, ""),
        Figure("streams with a sample of another job, or out of place", len(heard.foreign), "", 0),
        Figure("streams that ended early, unasked", len(heard.cut), "", 0),
        Figure("other errors", len(heard.errors), "", 0),
        Figure("jobs still queued at the end", waiting, "", 0),
        Figure("descriptors that the engine has more than before", descriptors, "", DESCRIPTORS),
    ]
