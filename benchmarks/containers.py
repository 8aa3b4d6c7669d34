"""The image: its size, its cold start, and SIGTERM at random moments while jobs and requests keep coming."""

from __future__ import annotations

import base64
import io
import random
import time
from dataclasses import dataclass, field

import requests
import soundfile

from benchmarks.customer import NUMBERS, Order
from benchmarks.doors import LOST, Siege, figures
from benchmarks.figures import Figure, median
from benchmarks.kill import MAX_ATTEMPTS
from tests.acceptance.containers import IMAGE, STOOD_IN, Container, build, call, running_container

STARTS = 5
WHILE_STARTING = 0.25
"""The part of the signals that come before it is ready."""
UP_TO_S = 3.0
LOOK_S = 0.02
WAITING, CHUNKS = 2, (4, 4, 20, 80)
PACE_S = 0.3
"""Jobs of 1, 6 and 24 s: the last are longer than the engine waits for one in hand."""
PATIENCE_S = 600.0
"""Such a job may be in the way several times, for each signal may have it begin anew."""
TEXT = "Good morning, and welcome."


def measure(image: str | None, terms: int, seed: int = 1) -> list[Figure]:
    if image is None:
        image = IMAGE
        build()
    size = int(call("image", "inspect", "--format", "{{.Size}}", image).stdout)
    starts = [first_audio_s(image) for _ in range(STARTS)]
    return [
        Figure("size of the image", round(size / 1e6), "MB", 1200),
        Figure("from its start to the first audio, median", median(starts), "s", 10),
        Figure("the same, slowest", max(starts), "s"),
        *_terminated(image, terms, seed),
    ]


def first_audio_s(image: str) -> float:
    """Of its own default voice, by a client that asks from the start."""
    begun = time.monotonic()
    with running_container(image=image) as container:
        while not _spoke(container):
            time.sleep(LOOK_S)
        return time.monotonic() - begun


def _spoke(container: Container) -> bool:
    try:
        reply = container.post("tts", "/generate_batch", json={"texts": [TEXT]})
    except LOST:
        return False
    if reply.status_code == requests.codes.unavailable:
        return False
    audio = base64.b64decode(reply.json()["results"][0]["audio"])
    return soundfile.info(io.BytesIO(audio)).duration > 1


@dataclass
class Ends:
    took_s: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    left: int = 0
    """Processes that were still there."""


class Terminated(Siege):
    """Each "kill" is a SIGTERM to the container, which is started again."""

    appliance: Container

    def __init__(self, container: Container, dice: random.Random) -> None:
        super().__init__(container, dice, WAITING, _drawn)
        self.clients.patience_s = PATIENCE_S
        self.ends = Ends()

    def kill(self) -> None:
        time.sleep(self._dice.uniform(0, UP_TO_S))
        self._end("at work")
        self.appliance.start()
        if self._dice.random() < WHILE_STARTING:
            time.sleep(self._dice.uniform(0, UP_TO_S))
            self._end("while it starts")
            self.appliance.start()

    def _end(self, when: str) -> None:
        self.killed[when] += 1
        family, begun = self.appliance.family(), time.monotonic()
        self.ends.codes.append(self.appliance.stop())
        self.ends.took_s.append(time.monotonic() - begun)
        self.ends.left += sum(process.is_running() for process in family)


def _drawn(dice: random.Random, number: int) -> Order:
    chunks = dice.choice(CHUNKS)
    return Order(number % NUMBERS, chunks, PACE_S, "numbered", priority=20, together=False)


def _terminated(image: str, terms: int, seed: int) -> list[Figure]:
    settings = STOOD_IN | {"SKYLARK_ENGINE__MAX_ATTEMPTS": str(MAX_ATTEMPTS)}
    with running_container(image=image, **settings) as container:
        siege = Terminated(container, random.Random(seed))
        siege.lay(terms)
        ends, found = siege.ends, figures(siege, siege.ledger())
    return [
        *found,
        Figure("from SIGTERM to its end, median", median(ends.took_s), "s"),
        Figure("the same, slowest", max(ends.took_s), "s", 105),
        Figure("ends with another exit code than 0", sum(code != 0 for code in ends.codes), "", 0),
        Figure("processes left", ends.left, "", 0),
    ]
