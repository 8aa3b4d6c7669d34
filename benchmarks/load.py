"""32 clients that speak and align at once: errors, memory, and whether /health stays quick."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import requests

from benchmarks.figures import Figure, median, percentile
from benchmarks.stand import embedded_default, spoken
from tests.acceptance.processes import Appliance, Session

CLIENTS = 32
SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised."
HEALTH_EVERY_S = 0.05
SETTLED = 1 / 4
"""Memory is compared from this part of the run on, when every pool has its size."""


class Load:
    """Counts what the clients meet."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.over = threading.Event()
        self.answers: dict[str, list[float]] = {"speak": [], "align": []}
        self.health_ms: list[float] = []
        self.errors: list[str] = []
        self.memory_mb: list[float] = []
        self._recording = base64.b64decode(spoken(appliance, SENTENCE)["audio"])

    def client(self, number: int) -> None:
        """Odd ones align, even ones speak."""
        kind, ask = ("align", self._align) if number % 2 else ("speak", self._speak)
        with Session() as http:
            while not self.over.is_set():
                begun = time.perf_counter()
                self._count(lambda: ask(http))
                self.answers[kind].append(time.perf_counter() - begun)

    def _speak(self, http: Session) -> requests.Response:
        return http.post(self.appliance.url("tts", "/generate_batch"), json={"texts": [SENTENCE]})

    def _align(self, http: Session) -> requests.Response:
        url = self.appliance.url("whisperx", "/align")
        return http.post(url, files={"file": self._recording}, data={"text": SENTENCE})

    def watch(self) -> None:
        """/health of both doors, and the memory of all processes."""
        with Session() as http:
            while not self.over.wait(HEALTH_EVERY_S):
                for door in ("tts", "whisperx"):
                    begun = time.perf_counter()
                    self._count(lambda door=door: http.get(self.appliance.url(door, "/health")))
                    self.health_ms.append((time.perf_counter() - begun) * 1000)
                self.memory_mb.append(_memory_mb(self.appliance.family()))

    def _count(self, ask: Callable[[], requests.Response]) -> None:
        try:
            reply = ask()
            if reply.status_code != 200:
                self.errors.append(f"{reply.status_code}: {reply.text[:200]}")
        except requests.RequestException as error:
            self.errors.append(type(error).__name__)


def measure(seconds: float) -> list[Figure]:
    with embedded_default() as appliance:
        load = Load(appliance)
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            work = [pool.submit(load.client, number) for number in range(CLIENTS)]
            work.append(pool.submit(load.watch))
            time.sleep(seconds)
            load.over.set()
            for each in work:
                each.result()
    settled = load.memory_mb[int(len(load.memory_mb) * SETTLED) :]
    third = len(settled) // 3
    growth = median(settled[-third:]) / median(settled[:third])
    return [
        Figure(f"{CLIENTS} clients for {seconds:g} s: errors", len(load.errors), "", 0),
        Figure("texts spoken", len(load.answers["speak"]) / seconds, "per s"),
        Figure("recordings aligned", len(load.answers["align"]) / seconds, "per s"),
        Figure("/health under load, median", median(load.health_ms), "ms"),
        Figure("/health under load, p99", percentile(load.health_ms, 99), "ms", 50),
        Figure("memory of all processes", median(settled[-third:]), "MB"),
        Figure("memory at the end over memory after a quarter", growth, "", 1.03),
    ]


def _memory_mb(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended since the list was made
            continue
    return total / 1e6
