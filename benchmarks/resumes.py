"""Short streams at the tts door, left and gone on with, while it is killed: every sample, nothing left."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from benchmarks.doors import ended
from benchmarks.figures import Figure
from benchmarks.heard import Heard
from benchmarks.kill import END_S, kill_all
from benchmarks.listeners import Listener
from benchmarks.remains import Remains, Size
from benchmarks.talks import Talks
from tests.acceptance.processes import Appliance, eventually, running_appliance

CLIENTS = 12
STREAMS_A_KILL = 20
"""In the first half; nothing is killed after it, and nothing may break off any more."""
DISTURBED, SETTLED = 0.5, 0.7
"""Parts of the streams: up to the last kill, and until every pool has its size."""
VICTIMS = ("tts", "tts", "tts", "runner")
TALKS = 0.3
DESCRIPTORS, THREADS, GROWTH = 24, 24, 1.1


class Campaign:
    """An appliance, clients at its tts door, and kills."""

    def __init__(self, appliance: Appliance, seed: int) -> None:
        self.appliance, self.heard, self._dice = appliance, Heard(), random.Random(seed)
        self._number, self._taking = 0, threading.Lock()

    def stream(self, streams: int, kills: int = 0) -> None:
        """So many more, and so many kills meanwhile; returns when every job has ended."""
        last = self._number + streams
        with ThreadPoolExecutor(CLIENTS) as pool:
            dice = [random.Random(self._dice.random()) for _ in range(CLIENTS)]
            clients = [pool.submit(self._be_client, each, last) for each in dice]
            for number in range(kills):
                at = last - streams + streams * (number + 1) // (kills + 1)
                eventually(lambda at=at: self._number >= at, "streams are heard", 10 * END_S)
                self._kill()
            for each in clients:
                each.result()
        eventually(lambda: ended(self.appliance), "every job has ended", END_S)
        eventually(lambda: self.appliance.ready("tts"), "the door is ready", END_S)

    def _be_client(self, dice: random.Random, last: int) -> None:
        port = self.appliance.ports["tts"]
        listener, talks = Listener(port, self.heard, dice), Talks(port, self.heard, dice)
        while (number := self._next(last)) is not None:
            way = dice.choice(talks.ways if dice.random() < TALKS else listener.ways)
            self.heard.way(way.__name__)
            way(number)

    def _next(self, last: int) -> int | None:
        with self._taking:
            if self._number >= last:
                return None
            self._number += 1
            return self._number

    def _kill(self) -> None:
        """A worker of the door, or a runner, as soon as there is one."""
        name = self._dice.choice(VICTIMS)
        eventually(lambda: self._victims(name), f"there is a {name} to kill", END_S)
        self.heard.note_killed(name)
        kill_all(self._victims(name))

    def _victims(self, name: str) -> list[psutil.Process]:
        if name == "runner":
            return self.appliance.named("servers.runner")
        return self.appliance.named("servers.tts.app")[1:]


@dataclass(frozen=True)
class Outcome:
    heard: Heard
    remains: Remains
    settled: Size
    last: Size


def waged(streams: int, kills: int, seed: int) -> Outcome:
    with running_appliance(TTS_ENABLE_CACHE="true") as appliance:
        campaign = Campaign(appliance, seed)
        disturbed, settled = int(streams * DISTURBED), int(streams * SETTLED)
        campaign.stream(disturbed, kills)
        campaign.stream(settled - disturbed)
        before = Size.of(appliance)
        campaign.stream(streams - settled)
        return Outcome(campaign.heard, Remains.of(appliance, campaign.heard), before, Size.of(appliance))


def measure(streams: int, seed: int = 1) -> list[Figure]:
    outcome = waged(streams, int(streams * DISTURBED) // STREAMS_A_KILL, seed)
    heard, remains = outcome.heard, outcome.remains
    for line in (*heard.lines(), *remains.lines())[:30]:
        print(line)
    return [
        Figure("streams", heard.ways.total(), ""),
        *(Figure(f"of these: {way.replace('_', ' ')}", count, "") for way, count in heard.ways.items()),
        *(Figure(f"kills meanwhile: {name}", count, "") for name, count in heard.killed.items()),
        *(Figure(f"broke off or were refused then: {why}", count, "") for why, count in heard.again.items()),
        Figure("requests that went on from a sample", heard.resumed, ""),
        Figure("samples heard and checked", heard.samples, ""),
        Figure("streams with a sample that is not theirs, or out of place", len(heard.foreign), "", 0),
        Figure("streams that were said to have ended, and had not", len(heard.cut), "", 0),
        Figure("other errors", len(heard.faults), "", 0),
        *remains.figures(),
        *grown(outcome.settled, outcome.last),
    ]


def grown(settled: Size, last: Size) -> list[Figure]:
    return [
        Figure(
            "descriptors of the door, more than before", last.door_fds - settled.door_fds, "", DESCRIPTORS
        ),
        Figure("descriptors of the engine", last.engine_fds - settled.engine_fds, "", DESCRIPTORS),
        Figure("threads of door, engine and runners", last.threads - settled.threads, "", THREADS),
        Figure("memory of the door, more than before", last.door_mb - settled.door_mb, "MB"),
        Figure("memory of the engine", last.engine_mb - settled.engine_mb, "MB"),
        Figure("memory of the runners", last.runners_mb - settled.runners_mb, "MB"),
        Figure("memory of all of them, the last over that before", last.own_mb / settled.own_mb, "", GROWTH),
    ]
