"""A reply that is far larger than the memory of the door that gives it."""

from __future__ import annotations

import base64
import json
import threading

import psutil
import pytest

from tests.acceptance.processes import running_appliance

TEXTS, SECONDS = 30, 300
"""What the model `long` makes of any text."""
AUDIO_BYTES = TEXTS * SECONDS * 16_000 * 2
MOST_GROWTH = 60_000_000


class Watch:
    """The most memory that a process has, looked at all the time."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._end = process, threading.Event()
        self.first = self.most = process.memory_info().rss
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._end.wait(0.02):
            self.most = max(self.most, self._process.memory_info().rss)

    def growth(self) -> int:
        self._end.set()
        self._thread.join()
        return self.most - self.first


@pytest.fixture
def appliance():
    with running_appliance() as appliance:
        yield appliance


def test_a_batch_is_written_as_it_is_made_and_never_whole_in_memory(appliance):
    warm = {"texts": ["warm"], "model": "fake/one"}
    assert appliance.post("tts", "/generate_batch", json=warm).status_code == 200
    door = Watch(appliance.named("servers.tts")[-1])
    size, start, end = 0, b"", b""
    body = {"texts": [f"text {n}" for n in range(TEXTS)], "model": "fake/long"}
    with appliance.http.post(appliance.url("tts", "/generate_batch"), json=body, stream=True) as reply:
        assert reply.status_code == 200
        for piece in reply.iter_content(1 << 20):
            start = start or piece
            size, end = size + len(piece), (end + piece)[-10_000:]
    growth = door.growth()
    assert size > AUDIO_BYTES * 4 / 3
    assert base64.b64decode(start.partition(b'"audio":"')[2][:60])[:4] == b"RIFF"
    assert json.loads(b"{" + end[end.rindex(b'"model"') :])["model"] == "long"
    assert growth < MOST_GROWTH, f"{growth:,} bytes for {size:,}"
