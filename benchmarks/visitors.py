"""Visitors of the page at the same time, each with a stream of events: how soon they hear how the machine is;
and what the proxy adds to the time until speech is heard.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.figures import Figure, median, percentile
from tests.acceptance.processes import running_appliance
from tests.proxy.process import Proxy, Visitor, running_proxy

VISITORS, LOOKS, PAUSE_S = 200, 10, 0.5
SENTENCES = 30
PATIENCE_S = 60.0
BODY = json.dumps({"input": "How soon is this heard?", "response_format": "pcm"}).encode()


def measure() -> list[Figure]:
    with served() as (door_port, proxy), ExitStack() as until_measured:
        visitors = [Visitor(proxy.url) for _ in range(VISITORS)]
        added_ms = _added_ms(door_port, visitors[0])
        for visitor in visitors:
            until_measured.enter_context(visitor.begin("/api/events", method="GET")).recv(1)
        looks_ms = _looks_ms(proxy, visitors)
        for visitor in visitors:
            visitor.http.close()
    return [
        Figure(f"/api/status, {VISITORS} visitors with an open stream each: looks", len(looks_ms), ""),
        Figure("… median", median(looks_ms), "ms"),
        Figure("… p99", percentile(looks_ms, 99), "ms", 100),
        Figure("first byte of speech, later than at the door: median", added_ms, "ms", 150),
    ]


@contextmanager
def served() -> Iterator[tuple[int, Proxy]]:
    """The port of a real appliance's door, and a proxy before that."""
    with running_appliance() as appliance, tempfile.TemporaryDirectory() as name:
        config = Path(name) / "server_config.json"
        urls = {"server_url": appliance.url("tts", ""), "whisper_url": appliance.url("whisperx", "")}
        config.write_text(json.dumps(urls), encoding="utf-8")
        more = {"SKYLARK_PROXY__SERVER_CONFIG": str(config), "SKYLARK_PROXY__PER_ADDRESS": str(VISITORS)}
        with running_proxy(Path(name), **more) as proxy:
            yield appliance.ports["tts"], proxy


def _looks_ms(proxy: Proxy, visitors: list[Visitor]) -> list[float]:
    """Of each visitor LOOKS, one after the other and not all at the same moment."""
    found: list[float] = []

    def look(visitor: Visitor, after_s: float) -> None:
        time.sleep(after_s)
        with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE_S)) as http:
            for _ in range(LOOKS):
                found.append(_timed_ms(lambda: _ask(http, "GET", "/api/status", visitor.headers)))
                time.sleep(PAUSE_S)

    spread = [
        threading.Thread(target=look, args=(visitor, PAUSE_S * number / len(visitors)))
        for number, visitor in enumerate(visitors)
    ]
    for thread in spread:
        thread.start()
    for thread in spread:
        thread.join()
    assert len(found) == LOOKS * len(visitors), "not every look was answered"
    return found


def _added_ms(door_port: int, visitor: Visitor) -> float:
    """By turns at the door and at the proxy, so that both meet the same machine."""
    at_door, at_proxy = [], []
    kind = {"Content-Type": "application/json"}
    proxy_port = int(visitor.url.rpartition(":")[2])
    for _ in range(SENTENCES):
        at_door.append(first_ms(door_port, "/v1/audio/speech", kind))
        at_proxy.append(first_ms(proxy_port, "/api/speech", kind | visitor.headers))
    return median(at_proxy) - median(at_door)


def first_ms(port: int, path: str, headers: dict[str, str]) -> float:
    """Until the first byte of the body."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as http:
        return _timed_ms(lambda: _ask(http, "POST", path, headers, BODY))


def _ask(
    http: HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> None:
    """Reads the whole of a short reply, and a piece of a long one."""
    http.request(method, path, body, headers)
    response = http.getresponse()
    assert response.status == 200, response.read()
    assert response.read1() if body else response.read()


def _timed_ms(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1_000
