"""A reply that is far larger than the memory of the door that gives it: long texts, and as many as may be."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass

import psutil

from benchmarks.figures import Figure
from tests.acceptance.processes import Appliance, running_appliance

SECONDS, RATE_HZ = 300, 16_000
"""What the model `long` makes of any text."""
CHARS = 20_000
LOOK_EVERY_S = 0.02
READ_BYTES = 1 << 20
MOST_MB = 512
ENDING = 100_000
"""Bytes at the end of a reply that have the fields beside the results."""


@dataclass
class Replied:
    bytes: int
    first: bytes
    """Of the first text's audio file."""
    model: str
    before_mb: float
    most_mb: float
    """Of the door's memory."""


def measure(texts: int) -> list[Figure]:
    limit = str(texts * CHARS)
    with running_appliance(SKYLARK_LIMITS__MAX_REQUEST_CHARS=limit) as appliance:
        replied = ask(appliance, texts)
    return [
        Figure(f"one request of {texts} texts of {CHARS:,} characters: its reply", replied.bytes / 1e6, "MB"),
        Figure("the door's memory before", replied.before_mb, "MB"),
        Figure("the door's memory at most", replied.most_mb, "MB", MOST_MB),
    ]


def ask(appliance: Appliance, texts: int, chars: int = CHARS) -> Replied:
    """Reads one reply as it comes, and watches the door meanwhile."""
    warm = {"texts": ["warm"], "model": "fake/one"}
    appliance.post("tts", "/generate_batch", json=warm).raise_for_status()
    body = {"texts": ["long " * (chars // 5)] * texts, "model": "fake/long"}
    size, start, end = 0, b"", b""
    url = appliance.url("tts", "/generate_batch")
    with (
        _Watch(appliance.named("servers.tts")[-1]) as watch,
        appliance.http.post(url, json=body, stream=True, timeout=600) as reply,
    ):
        reply.raise_for_status()
        for piece in reply.iter_content(READ_BYTES):
            start = start if len(start) > 2 * chars else start + piece
            size, end = size + len(piece), (end + piece)[-ENDING:]
    audio = base64.b64decode(start.partition(b'"audio":"')[2][:60])
    rest = json.loads(b"{" + end[end.rindex(b'"model"') :])
    return Replied(size, audio, rest["model"], watch.first / 1e6, watch.most / 1e6)


class _Watch:
    """The most memory, in bytes, that a process has while this is open."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._end = process, threading.Event()
        self.first = self.most = process.memory_info().rss
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(LOOK_EVERY_S):
            self.most = max(self.most, self._process.memory_info().rss)
