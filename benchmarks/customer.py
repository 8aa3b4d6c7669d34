"""A client that keeps jobs waiting, whatever becomes of the engine, and remembers what it was promised."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from servers.errors import EngineUnavailable
from servers.jobs.client import JobsClient
from tests.acceptance.processes import eventually
from tests.stand_ins.fake import SAMPLE_RATE, numbered

MODELS = ("numbered", "numbered-too")
CHUNK_MS = 20
NUMBERS = 2**15
WAITING = 60
"""Jobs that are kept in the queue, so that there is always one to interrupt."""
PAUSE_S = 0.02
HEARD_S = 120.0
End = tuple[str, float, int]
"""A job's status, when it ended, and in which attempt: final once it is seen."""


@dataclass(frozen=True)
class Order:
    """One job as it is asked for: `number` is what its audio has to say."""

    number: int
    chunks: int
    pace_s: float
    model: str
    priority: int
    together: bool
    chunk_ms: int = CHUNK_MS
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @staticmethod
    def drawn(dice: random.Random, number: int) -> Order:
        """Of a millisecond or some, so that a kill is as likely to meet a claim or a commit as the work."""
        return Order(
            number=number % NUMBERS,
            chunks=dice.randint(1, 4),
            pace_s=dice.choice((0, 0, 0, 0.005)),
            model=dice.choice(MODELS[:1] * 3 + MODELS[1:]),
            priority=dice.choice((0, 10, 10, 10)),
            together=dice.random() < 0.5,
        )

    @property
    def samples(self) -> int:
        return self.chunks * self.chunk_ms * SAMPLE_RATE // 1000

    def wire(self) -> dict[str, Any]:
        speech = {"text": f"number {self.number}", "chunk_ms": self.chunk_ms}
        return {
            "model_type": "fake",
            "model": self.model,
            "priority": self.priority,
            "idempotency_key": self.key,
            "payload": speech | {"chunks": self.chunks, "pace_s": self.pace_s},
            **({} if self.together else {"batch_key": ""}),
        }

    def audio(self) -> bytes:
        return numbered(self.number, 0, self.samples).astype("<i2").tobytes()


Draw = Callable[[random.Random, int], Order]
"""The order of that number, as the dice have it."""


class Customer:
    """`serve` runs in a thread of its own until `leave`; it submits again, with the same key, what was not
    heard to be accepted."""

    def __init__(
        self, client: JobsClient, dice: random.Random, waiting: int = WAITING, draw: Draw = Order.drawn
    ) -> None:
        self.orders: dict[str, Order] = {}
        """What was accepted, by job id."""
        self.ended: dict[str, End] = {}
        self.changed: list[str] = []
        """Jobs whose end changed after it was seen."""
        self.keys: list[str] = []
        """Every key that was ever sent."""
        self.repeated = 0
        """Submits whose answer was not heard."""
        self._client, self._dice, self._waiting, self._draw = client, dice, waiting, draw
        self._leaving = threading.Event()

    def serve(self) -> None:
        while not self._leaving.is_set():
            missing = self._waiting - len(self.open())
            if missing > 0:
                self._submit(missing)
            self.look()
            self._leaving.wait(PAUSE_S)

    def leave(self) -> None:
        self._leaving.set()

    def open(self) -> list[str]:
        """The accepted jobs that were not yet seen to have ended."""
        return [job_id for job_id in list(self.orders) if job_id not in self.ended]

    def look(self) -> None:
        for job_id in self.open():
            self._see(job_id)

    def look_again(self) -> None:
        """At every job: an end is final."""
        for job_id in list(self.orders):
            self._see(job_id)

    def _see(self, job_id: str) -> None:
        try:
            job = self._client.get(job_id)
        except EngineUnavailable:
            return
        if job["finished_at"] is not None:
            end = (job["status"], job["finished_at"], job["attempt"])
            if self.ended.setdefault(job_id, end) != end:
                self.changed.append(job_id)

    def _submit(self, count: int) -> None:
        """Until it is heard, also while leaving: a job may have been accepted unheard."""
        orders = [self._draw(self._dice, len(self.keys) + i + 1) for i in range(count)]
        self.keys += [order.key for order in orders]
        eventually(lambda: self._heard(orders), "a submit is heard", HEARD_S)

    def _heard(self, orders: list[Order]) -> bool:
        try:
            ids = self._client.submit([order.wire() for order in orders])
        except EngineUnavailable:
            self.repeated += 1
            return False
        self.orders.update(zip(ids, orders, strict=True))
        return True


def is_numbered(pcm: bytes, number: int, start: int) -> bool:
    """Whether the bytes are the samples from `start` on of that number's audio, every one of them."""
    heard = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    return bool(np.array_equal(heard, numbered(number, start, len(heard))))
