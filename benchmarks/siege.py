"""A door and the engine's port, beset by slow clients and full of waiting ones: is /health quick throughout?

Five kinds of slow clients, each coming back when it is put out: they say nothing, half a head, half a body,
they read no reply, or they keep an idle connection. Beside them honest clients always wait for speech. Who
asks for /health is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from benchmarks.figures import Figure, median, percentile
from servers.unix_http import UnixPool
from tests.acceptance.processes import Session, free_port, running_appliance

SENTENCE = "The quick brown fox jumps over the lazy dog."
HEALTH_EVERY_S = 0.05
BACK_AFTER_S = 0.2
"""A slow client that was put out is back after this long."""
SMALL_BUFFER = 4_096
DESCRIPTORS = 8_192
FIRST_S = 2.0
"""What the clients have to connect in before anything is measured."""


def head(port: int, path: str, body: bytes = b"", method: str = "POST") -> bytes:
    host, length = f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"
    return f"{method} {path} HTTP/1.1\r\n{host}\r\n{length}\r\n\r\n".encode()


SPEAK = json.dumps({"texts": [SENTENCE]}).encode()
KINDS: dict[str, Callable[[int], bytes]] = {
    "says nothing": lambda _port: b"",
    "half a head": lambda port: head(port, "/health", method="GET")[:30],
    "half a body": lambda port: head(port, "/generate_batch", SPEAK) + SPEAK[: len(SPEAK) // 2],
    "reads no reply": lambda port: head(port, "/generate_batch", SPEAK) + SPEAK,
    "idle": lambda port: head(port, "/health", method="GET"),
}


def measure(slow: int, waiting: int, seconds: float) -> list[Figure]:
    """`slow` clients of all kinds together at each port, and `waiting` honest ones at the door."""
    _raise_descriptors()
    port = free_port()
    with running_appliance(SKYLARK_ENGINE__PORT=str(port)) as appliance:
        door = appliance.ports["tts"]
        healths = {
            "the door's": appliance.url("tts", "/health"),
            "the engine's, on its port": f"http://127.0.0.1:{port}/health",
            "the engine's, on its socket": str(appliance.folder / "engine.sock"),
        }
        spawn = get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as watcher:
            watch = watcher.submit(watch_health, healths, FIRST_S, seconds)
            outcome = asyncio.run(_besiege([door, port], door, slow, waiting, FIRST_S + seconds))
            times = watch.result()
    figures = [
        figure
        for name, (errors, asked_ms) in times.items()
        for figure in (
            Figure(f"{name} /health, median", median(asked_ms), "ms"),
            Figure(f"{name} /health, p99", percentile(asked_ms, 99), "ms", 100),
            Figure(f"{name} /health, failed", errors, "", 0),
        )
    ]
    return [
        Figure("slow clients at each port", slow, ""),
        Figure("… put out, and back", outcome["put out"], ""),
        Figure("honest clients that wait", waiting, ""),
        Figure("… texts spoken for them", outcome["served"] / (FIRST_S + seconds), "per s"),
        Figure("… without an answer", outcome["failed"], "", 0),
        *figures,
    ]


Asked = tuple[int, list[float]]
"""How many asks failed, and how long each took in ms."""


def watch_health(healths: dict[str, str], first_s: float, seconds: float) -> dict[str, Asked]:
    """By name. A path is a Unix socket's."""
    time.sleep(first_s)
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(len(healths)) as pool:
        asks = {name: pool.submit(_watch_one, where, end) for name, where in healths.items()}
        return {name: ask.result() for name, ask in asks.items()}


def _watch_one(where: str, end: float) -> Asked:
    """Each ask on a new connection, as a load balancer's."""
    failed, asked_ms = 0, []
    while time.monotonic() < end:
        begun = time.perf_counter()
        try:
            failed += _status(where) != 200
        except (requests.RequestException, HTTPError):
            failed += 1
        asked_ms.append((time.perf_counter() - begun) * 1000)
        time.sleep(HEALTH_EVERY_S)
    return failed, asked_ms


def _status(where: str) -> int:
    if not where.startswith("http"):
        with UnixPool(Path(where), 10) as pool:
            return pool.request("GET", "/health").status
    with Session() as http:
        return http.get(where, timeout=10).status_code


async def _besiege(ports: list[int], door: int, slow: int, waiting: int, seconds: float) -> Counter[str]:
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    kinds = list(KINDS.values())
    tasks = [
        asyncio.create_task(_slow(port, kinds[n % len(kinds)](port), counts, end))
        for port in ports
        for n in range(slow)
    ]
    tasks += [asyncio.create_task(_honest(door, counts, end)) for _ in range(waiting)]
    await asyncio.gather(*tasks)
    return counts


async def _slow(port: int, said: bytes, counts: Counter[str], end: float) -> None:
    loop = asyncio.get_running_loop()
    while time.monotonic() < end:
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            try:
                await loop.sock_connect(sock, ("127.0.0.1", port))
                if said:
                    await loop.sock_sendall(sock, said)
                await _until_put_out(sock, end, reads=said == KINDS["idle"](port))
            except OSError:
                pass
        counts["put out"] += time.monotonic() < end
        await asyncio.sleep(BACK_AFTER_S)


async def _until_put_out(sock: socket.socket, end: float, *, reads: bool) -> None:
    """Who reads nothing cannot see that the other side closed, and stays to the end."""
    loop = asyncio.get_running_loop()
    if not reads:
        poll_s = 0.5
        while time.monotonic() < end:
            await asyncio.sleep(poll_s)
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            while await loop.sock_recv(sock, 65_536):
                pass


async def _honest(port: int, counts: Counter[str], end: float) -> None:
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head(port, "/generate_batch", SPEAK) + SPEAK)
            answer = await reader.readuntil(b"\r\n")
            counts["served" if b" 200 " in answer else "failed"] += 1
            writer.transport.abort()
        except (OSError, EOFError):
            counts["failed"] += 1


def _raise_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
