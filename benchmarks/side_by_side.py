"""The same requests to two servers in turn, from clients that always have one in hand."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil
import requests
import urllib3

from benchmarks.figures import Figure, median, percentile
from tests.acceptance.processes import Session

SHORTEST = 2
"""Requests of a turn; more clients send one each. What else the machine does changes: turns are short."""
FEWEST = 16
"""Requests at one number of clients, on each side."""
PATIENCE_S = 600.0
LEAST_AUDIO_BYTES = 20_000
"""Half a second of it: less is no sentence."""


@dataclass(frozen=True)
class Ask:
    """One request: its path, and what `requests` is told of its body."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A server, and what the request of a number is to it."""

    url: str
    ask: Callable[[int], Ask]
    processes: Callable[[], list[psutil.Process]]

    def busy_s(self) -> float:
        """How long its processes have computed so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())


@dataclass
class Met:
    """What one side met: seconds of each good request, and good requests a second in each round."""

    first_s: list[float] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    busy_s: float = 0.0


def in_turn(sides: Sequence[Side], clients: int, rounds: int) -> list[Met]:
    """What each side met, in `rounds` turns or more. Who begins changes; a first turn warms up."""
    found, count = [Met() for _ in sides], max(SHORTEST, clients)
    for side in sides:
        send(side, clients, min(count, FEWEST), Met())
    for turn in range(max(rounds, FEWEST // count)):
        order = list(zip(sides, found, strict=True))
        for side, met in order[:: -1 if turn % 2 else 1]:
            send(side, clients, count, met)
    return found


def send(side: Side, clients: int, count: int, met: Met) -> None:
    """`count` requests; each client sends one once its last one is answered."""
    own = threading.local()

    def one(number: int) -> None:
        if not hasattr(own, "http"):
            own.http = opened.enter_context(Session())
        sample(own.http, side, number, met)

    good, busy_s, begun = len(met.total_s), side.busy_s(), time.perf_counter()
    with ExitStack() as opened, ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(count)))
    met.rates.append((len(met.total_s) - good) / (time.perf_counter() - begun))
    met.busy_s += side.busy_s() - busy_s


def listening_at(port: int) -> list[psutil.Process]:
    """The processes of a server on this machine."""
    found = {
        at.pid for at in psutil.net_connections("tcp") if at.status == "LISTEN" and at.laddr.port == port
    }
    servers = [psutil.Process(pid) for pid in found if pid is not None]
    return servers + [child for server in servers for child in server.children(recursive=True)]


def sample(http: Session, side: Side, number: int, met: Met) -> None:
    asked = side.ask(number)
    begun = time.perf_counter()
    try:
        with http.post(side.url + asked.path, stream=True, timeout=PATIENCE_S, **asked.body) as reply:
            body = reply.raw.read(1)
            first_s = time.perf_counter() - begun
            body += reply.raw.read()
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        met.errors.append(type(error).__name__)
        return
    total_s = time.perf_counter() - begun
    if (why := failure(reply, body)) is not None:
        met.errors.append(why)
        return
    met.first_s.append(first_s)
    met.total_s.append(total_s)


def failure(reply: requests.Response, body: bytes) -> str | None:
    if reply.status_code != 200:
        return f"{reply.status_code}: {body[:200].decode(errors='replace')}"
    is_text = reply.headers.get("Content-Type", "").startswith("application/json")
    is_whole = b'"text"' in body if is_text else len(body) >= LEAST_AUDIO_BYTES
    return None if is_whole else f"{len(body)} bytes of {reply.headers.get('Content-Type')}"


def compared(name: str, ours: Met, theirs: Met) -> list[Figure]:
    """Ratios that are 1 or less where Skylark is as fast, with both sides' figures in their names."""
    for side, met in (("Skylark", ours), ("the peer", theirs)):
        for error, count in Counter(met.errors).most_common(3):
            print(f"{name}, {side}: {count} × {error}")
    figures = [
        Figure(f"{name}: errors, Skylark's ({len(theirs.errors)} the peer's)", len(ours.errors), "", 0)
    ]
    if not ours.total_s or not theirs.total_s:
        return figures
    each_round = [their / our for our, their in zip(ours.rates, theirs.rates, strict=True)]
    rounds = f"{min(each_round):.2f} to {max(each_round):.2f}"
    rates = (median(theirs.rates), median(ours.rates))
    return [
        Figure(f"{name}: requests a second, {_of(rates)} (rounds {rounds})", rates[0] / rates[1], "", 1),
        _times(f"{name}: processor time for a request", *(_busy_s(met) for met in (ours, theirs)), None),
        _times(f"{name}: first byte, p50", median(ours.first_s), median(theirs.first_s)),
        _times(f"{name}: first byte, p95", percentile(ours.first_s, 95), percentile(theirs.first_s, 95)),
        _times(f"{name}: whole reply, p50", median(ours.total_s), median(theirs.total_s)),
        _times(f"{name}: whole reply, p95", percentile(ours.total_s, 95), percentile(theirs.total_s, 95)),
        _times(f"{name}: whole reply, the longest", max(ours.total_s), max(theirs.total_s), None),
        *figures,
    ]


def _times(name: str, our_s: float, their_s: float, limit: float | None = 1) -> Figure:
    return Figure(f"{name}, {our_s * 1e3:.0f} over {their_s * 1e3:.0f} ms", our_s / their_s, "", limit)


def _busy_s(met: Met) -> float:
    return met.busy_s / len(met.total_s)


def _of(rates: tuple[float, float]) -> str:
    return f"{rates[0]:.2f} over {rates[1]:.2f}"
