"""Recordings with damaged headers, sent to the door and named in jobs: each is heard, or refused by type."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import requests

from benchmarks.figures import Figure
from benchmarks.stand import embedded_default
from servers.errors import SkylarkError
from tests.acceptance.processes import Appliance
from tests.audio.headers import damaged, whole_files

SECONDS = 0.5
"""How long each was before it was damaged."""
REFUSALS = {"unsupported_audio": 422, "audio_too_long": 413}
"""What may be said of a file, and with which status."""
END_S = 120.0
SAMPLE_S = 0.01
MOST_GROWTH_MB = 300
PROCESSES = ("servers.runner", "servers.whisperx.app")
"""Those that read recordings."""


@dataclass
class Highest:
    """The most memory that the processes which read recordings took together, above what they began with."""

    appliance: Appliance
    growth_mb: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        before = self._now_mb()
        thread = threading.Thread(target=self._watch, args=(before,))
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self, before: float) -> None:
        while not self._ended.wait(SAMPLE_S):
            self.growth_mb = max(self.growth_mb, self._now_mb() - before)

    def _now_mb(self) -> float:
        total = 0.0
        for process in (each for name in PROCESSES for each in self.appliance.named(name)):
            with suppress(psutil.NoSuchProcess):  # it ended in this moment
                total += process.memory_info().rss / 1e6
        return total


@dataclass
class Campaign:
    """What came of each file, by the door and by the job API."""

    appliance: Appliance
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def send(self, file: bytes, number: int) -> None:
        began = time.monotonic()
        self._note("door", number, self._at_the_door(file))
        self._note("job", number, self._as_a_job(file))
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def _note(self, way: str, number: int, end: str) -> None:
        self.ends[f"{way}: {end}"] += 1
        if end not in ("heard", *REFUSALS):
            self.faults.append(f"file {number}, {way}: {end}")

    def _at_the_door(self, file: bytes) -> str:
        try:
            reply = self.appliance.post("whisperx", "/transcribe", files={"file": file}, timeout=END_S)
        except requests.RequestException as error:
            return f"no answer: {type(error).__name__}"
        if reply.status_code == 200:
            return "heard"
        error = reply.json()["error"]
        is_named = error["param"] == "file" and reply.status_code == REFUSALS.get(error["code"])
        return error["code"] if is_named else f"{reply.status_code}: {error}"

    def _as_a_job(self, file: bytes) -> str:
        """The runner opens the file itself: no door has looked at it."""
        path = self.appliance.folder / "damaged"
        path.write_bytes(file)
        try:
            payload = {"task": "transcribe", "audio_path": str(path)}
            (job_id,) = self.appliance.jobs.submit([{"model_type": "pocketsphinx", "payload": payload}])
            job = self.appliance.jobs.wait(job_id, timeout_s=END_S)
        except SkylarkError as error:
            return f"no job: {error.code}"
        if job["status"] == "done":
            return "heard"
        error = job["error"]
        return error["code"] if error["param"] == "audio_path" else str(error)


def campaign(files: int, seed: int = 1) -> tuple[Campaign, Highest]:
    dice, whole = random.Random(seed), whole_files(SECONDS)
    with embedded_default() as appliance:
        found, highest = Campaign(appliance), Highest(appliance)
        for number, file in enumerate(whole):  # both processes have their usual size then
            found.send(file, number)
        assert not found.faults, found.faults
        found.ends.clear()
        with highest.watched():
            for number in range(files):
                found.send(damaged(whole[number % len(whole)], dice), number)
        return found, highest


def measure(files: int) -> list[Figure]:
    found, highest = campaign(files)
    for fault in found.faults[:10]:
        print(fault)
    return [
        Figure("damaged files", files, ""),
        *(Figure(end, count, "") for end, count in sorted(found.ends.items())),
        Figure("other answers, or none", len(found.faults), "", 0),
        Figure("slowest file, by both ways", found.slowest_s, "s", 10),
        Figure("memory of the door and the runner, above its usual", highest.growth_mb, "MB", MOST_GROWTH_MB),
    ]
