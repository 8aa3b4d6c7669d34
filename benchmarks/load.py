"""32 clients that speak and align at once: errors, memory, and whether /health stays quick.

The clients are threads of two processes, and who watches is a process of its own: what is measured is the
appliance, and not how these threads wait for each other in one Python.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

import psutil
import requests

from benchmarks.figures import Figure, median, percentile
from benchmarks.stand import embedded_default, spoken
from tests.acceptance.processes import Appliance, Session

CLIENTS = 32
CLIENT_PROCESSES = 2
SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised."
HEALTH_EVERY_S = 0.05
SETTLED = 1 / 4
"""Memory is compared from this part of the run on, when every pool has its size."""


@dataclass(frozen=True)
class Target:
    """What a process has to know of the appliance, and for how long it is to be busy."""

    seconds: float
    speak: str
    align: str
    healths: tuple[str, ...]
    supervisord: int
    recording: bytes


@dataclass
class Met:
    """What one process met: good answers by kind, errors, and what the watcher saw."""

    answers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    health_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)

    def note(self, kind: str, ask: Callable[[], requests.Response]) -> None:
        try:
            reply = ask()
        except requests.RequestException as error:
            self.errors.append(type(error).__name__)
            return
        if reply.status_code == 200:
            self.answers.append(kind)
        else:
            self.errors.append(f"{reply.status_code}: {reply.text[:200]}")


def measure(seconds: float) -> list[Figure]:
    with embedded_default() as appliance:
        watched, *served = _in_processes(_target(appliance, seconds))
    answers = [kind for met in served for kind in met.answers]
    errors = [error for met in (watched, *served) for error in met.errors]
    settled = watched.memory_mb[int(len(watched.memory_mb) * SETTLED) :]
    third = len(settled) // 3
    growth = median(settled[-third:]) / median(settled[:third])
    return [
        Figure(f"{CLIENTS} clients for {seconds:g} s: errors", len(errors), "", 0),
        Figure("texts spoken", answers.count("speak") / seconds, "per s"),
        Figure("recordings aligned", answers.count("align") / seconds, "per s"),
        Figure("/health under load, median", median(watched.health_ms), "ms"),
        Figure("/health under load, p99", percentile(watched.health_ms, 99), "ms", 50),
        Figure("memory of all processes", median(settled[-third:]), "MB"),
        Figure("memory at the end over memory after a quarter", growth, "", 1.03),
    ]


def _target(appliance: Appliance, seconds: float) -> Target:
    return Target(
        seconds=seconds,
        speak=appliance.url("tts", "/generate_batch"),
        align=appliance.url("whisperx", "/align"),
        healths=tuple(appliance.url(door, "/health") for door in appliance.ports),
        supervisord=appliance.process.pid,
        recording=base64.b64decode(spoken(appliance, SENTENCE)["audio"]),
    )


def _in_processes(target: Target) -> list[Met]:
    """What the watcher met, and then what the processes of clients did; all begin at once."""
    roles = [_watch] + [_be_clients] * CLIENT_PROCESSES
    spawn = get_context("spawn")
    begin = (spawn.Barrier(len(roles)),)
    with ProcessPoolExecutor(len(roles), mp_context=spawn, initializer=_wait, initargs=begin) as pool:
        return [each.result() for each in [pool.submit(role, target) for role in roles]]


def _wait(begin: Barrier) -> None:
    begin.wait()


def _be_clients(target: Target) -> Met:
    """One process's share of the clients: half of them speak, the others align."""
    met, end = Met(), time.monotonic() + target.seconds
    share = CLIENTS // CLIENT_PROCESSES
    with ThreadPoolExecutor(share) as pool:
        clients = [_speaker, _aligner] * (share // 2)
        for each in [pool.submit(client, target, met, end) for client in clients]:
            each.result()
    return met


def _speaker(target: Target, met: Met, end: float) -> None:
    with Session() as http:
        while time.monotonic() < end:
            met.note("speak", lambda: http.post(target.speak, json={"texts": [SENTENCE]}))


def _aligner(target: Target, met: Met, end: float) -> None:
    body = {"files": {"file": target.recording}, "data": {"text": SENTENCE}}
    with Session() as http:
        while time.monotonic() < end:
            met.note("align", lambda: http.post(target.align, **body))


def _watch(target: Target) -> Met:
    """/health of both doors, and the memory of all processes."""
    met, end = Met(), time.monotonic() + target.seconds
    supervisord = psutil.Process(target.supervisord)
    with Session() as http:
        while time.monotonic() < end:
            for url in target.healths:
                begun = time.perf_counter()
                met.note("health", lambda url=url: http.get(url))
                met.health_ms.append((time.perf_counter() - begun) * 1000)
            met.memory_mb.append(_memory_mb(supervisord.children(recursive=True)))
            time.sleep(HEALTH_EVERY_S)
    return met


def _memory_mb(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended since the list was made
            continue
    return total / 1e6
