"""kill -9 of the intake, and of what it asks, while it takes in what was accepted while the machine was off;
and functions that end half way while they accept. All of it is to be done, and once.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import soundfile

from appliance.clients import clients
from benchmarks.customer import is_numbered
from benchmarks.doors import ALL, CHUNK_MS, SERVER_RESTS_S
from benchmarks.figures import Figure
from benchmarks.kill import kill_all
from servers.errors import EngineUnavailable
from servers.jobs.job import Status
from servers.jobs.store import Store
from servers.settings.variables import INTAKE_SECRET
from tests.acceptance.off import BUCKET, Off, off
from tests.acceptance.processes import Appliance, Process, eventually, running_appliance
from tests.stand_ins.fake import SAMPLE_RATE

VICTIMS: Mapping[str, int] = {
    "intake": 6,
    "runner": 2,
    "tts worker": 2,
    "engine worker": 2,
    "engine server": 1,
}
MODEL, CHUNKS = "numbered-and-paced", 60
"""A text takes 0.2 s."""
AT_LEAST = 6
"""Pieces of work that wait or are in hand, so that there is always one to interrupt."""
CALLS = ("s3.PutObject", "dynamodb.PutItem", "dynamodb.TransactWriteItems")
"""Of a function that accepts: it may end before each of them, or after."""
ENDS_HALF_WAY, SENT_TWICE = 0.3, 0.3
END_S = 300.0
LONGEST_WORK_S = 1.0


class Died(BaseException):
    """The function's time was over."""


@dataclass(frozen=True)
class Work:
    """`numbers` are what its audio has to say, one for each text or job."""

    id: str
    path: str
    numbers: tuple[int, ...]


@dataclass
class Client:
    """Sends work to reception with a key, and once more where it heard nothing."""

    cloud: Off
    dice: random.Random
    works: list[Work] = field(default_factory=list)
    unheard: int = 0
    faults: list[str] = field(default_factory=list)
    _numbers: int = 0

    def send(self, count: int) -> None:
        for _ in range(count):
            self._send(self.dice.choice(("/generate_batch", "/jobs", "/jobs/batch")))

    def _send(self, path: str) -> None:
        numbers = tuple(
            self._numbers + n + 1 for n in range(1 if path == "/jobs" else self.dice.randint(1, 3))
        )
        self._numbers += len(numbers)
        body, key = self._body(path, numbers), uuid.uuid4().hex
        if self.dice.random() < ENDS_HALF_WAY:
            self.unheard += 1
            call, when = self.dice.choice(CALLS), self.dice.choice(("before-call", "after-call"))
            with self._ending(f"{when}.{call}"):
                self.cloud.ask("POST", path, body, Prefer="respond-async", Idempotency_Key=key)
        ids = {
            self.cloud.accept(path, body, Idempotency_Key=key)
            for _ in range(2 if self.dice.random() < SENT_TWICE else 1)
        }
        if len(ids) > 1:
            self.faults.append(f"one key gave {len(ids)} pieces of work")
        self.works.append(Work(ids.pop(), path, numbers))

    @staticmethod
    def text(number: int) -> str:
        return f"number {number} in {CHUNKS} chunks"

    def _body(self, path: str, numbers: tuple[int, ...]) -> dict[str, Any]:
        priority = self.dice.choice((0, 10, 10, 20))
        if path == "/generate_batch":
            return {"texts": [self.text(n) for n in numbers], "model": f"fake/{MODEL}", "priority": priority}
        jobs = [
            {"model_type": "fake", "model": MODEL, "priority": priority, "payload": {"text": self.text(n)}}
            for n in numbers
        ]
        return jobs[0] if path == "/jobs" else {"jobs": jobs}

    @contextmanager
    def _ending(self, event: str) -> Iterator[None]:
        """The function ends there, if it comes there."""

        def end(**_: Any) -> None:
            raise Died

        with patch.dict(os.environ, self.cloud.function):
            events = clients(os.environ)(event.split(".")[1]).meta.events
        events.register(event, end, unique_id="ending")
        try:
            yield
        except Died:
            pass
        finally:
            events.unregister(event, unique_id="ending")


class Campaign:
    """One appliance, its intake in a process of the campaign's own, a client, and kills."""

    def __init__(self, cloud: Off, appliance: Appliance, client: Client, dice: random.Random) -> None:
        self.cloud, self.appliance, self.client, self._dice = cloud, appliance, client, dice
        self.killed: Counter[str] = Counter()
        self.met = 0
        """Pieces of work that an intake had in hand when it was killed."""
        (door, *_) = appliance.named("servers.tts")
        self._environment = door.environ()
        assert self._environment[INTAKE_SECRET]
        self._intake = self._start()

    def _start(self) -> Process:
        return Process(
            "servers.intake", self._environment | self.cloud.machine, self.appliance.folder / "intake.log"
        )

    def wage(self, kills: int) -> None:
        """More is sent as there is less of it, while the machine is on."""
        try:
            for _ in range(kills):
                self.client.send(max(0, AT_LEAST - self.cloud.waits()))
                eventually(self.works, "work is in hand again", END_S)
                time.sleep(self._dice.uniform(0, LONGEST_WORK_S))
                self.kill()
            eventually(lambda: self.cloud.waits() == 0, "everything that was accepted has ended", END_S)
        finally:
            self._intake.end()

    def works(self) -> bool:
        return bool(self._in_hand()) and self.appliance.ready("tts") and self._engine_works()

    def _engine_works(self) -> bool:
        try:
            return self.appliance.jobs.queue()["active"] is not None
        except EngineUnavailable:
            return False

    def _in_hand(self) -> list[str]:
        return [id for id, item in self.cloud.items("waiting").items() if item["status"] == "taken"]

    def kill(self) -> None:
        victim = self._dice.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
        name, _, part = victim.partition(" ")
        if victim == "intake":
            self._intake.kill()
            self.met += len(self._in_hand())
            self._intake = self._start()
            self.killed[victim] += 1
            return
        victims = self.appliance.named("servers.runner" if victim == "runner" else f"servers.{name}.app")
        if part == "server" and victims and time.time() - victims[0].create_time() < SERVER_RESTS_S:
            part = "worker"
        if part == "worker":
            victims = victims[1:]
        self.killed[f"{name} {part}".strip()] += bool(victims)
        kill_all(victims)


@dataclass
class Outcome:
    """Lists of what breaks a promise, a line each."""

    works: int = 0
    texts: int = 0
    lost: list[str] = field(default_factory=list)
    """Not ended, or ended without a result."""
    twice: list[str] = field(default_factory=list)
    """Computed to its end more than once, or of no work."""
    wrong: list[str] = field(default_factory=list)
    """With audio that is not its own."""
    most_attempts: int = 0
    objects: list[str] = field(default_factory=list)
    """Bodies that are left in the bucket, of whose work the end was told, and then the intake was killed."""

    @staticmethod
    def of(campaign: Campaign) -> Outcome:
        client = campaign.client
        found = Outcome(len(client.works), sum(len(work.numbers) for work in client.works))
        ended = campaign.cloud.has_ended()
        found.lost += [f"{id}: nobody knows it" for id in ended.keys() - {work.id for work in client.works}]
        for work in client.works:
            found.look(work, ended.get(work.id), campaign.cloud)
        found.count(campaign)
        listed = campaign.cloud.aws["s3"].list_objects_v2(Bucket=BUCKET, Prefix="accepted/")
        found.objects = [each["Key"] for each in listed.get("Contents", [])]
        return found

    def look(self, work: Work, item: dict[str, Any] | None, cloud: Off) -> None:
        if item is None or item["status"] != "done":
            self.lost.append(f"{work}: {item}")
            return
        self.most_attempts = max(self.most_attempts, item["attempts"])
        spoken = _spoken(work, item, cloud)
        right = len(spoken) == len(work.numbers) and all(map(_says, spoken, work.numbers))
        if not right:
            self.wrong.append(str(work))

    def count(self, campaign: Campaign) -> None:
        """Every text has one job that is done, whoever asked for it."""
        store = Store(f"sqlite:///{campaign.appliance.folder}/jobs.sqlite3")
        try:
            jobs = store.recently_ended(ALL)
        finally:
            store.close()
        done = Counter(int(job.payload["text"].split()[1]) for job in jobs if job.status is Status.DONE)
        accepted = {number for work in campaign.client.works for number in work.numbers}
        self.twice += [f"number {number}: {count} jobs" for number, count in done.items() if count > 1]
        self.twice += [f"number {number} is no work's" for number in done.keys() - accepted]


def _spoken(work: Work, item: dict[str, Any], cloud: Off) -> list[bytes]:
    """The WAV of each text."""

    def read(key: str) -> bytes:
        return bytes(cloud.aws["s3"].get_object(Bucket=BUCKET, Key=key)["Body"].read())

    if work.path == "/generate_batch":
        results = json.loads(read(item["result_key"]))["results"]
        return [base64.b64decode(result.get("audio", "")) for result in results]
    return [read(f"{item['result_key']}/{index}.wav") for index in sorted(item["audio"], key=int)]


def _says(wav: bytes, number: int) -> bool:
    if not wav:
        return False
    samples, _ = soundfile.read(io.BytesIO(wav), dtype="int16")
    whole = len(samples) == CHUNKS * CHUNK_MS * SAMPLE_RATE // 1000
    return whole and is_numbered(samples.astype("<i2").tobytes(), number, 0)


def waged(works: int, kills: int, seed: int = 1) -> tuple[Campaign, Outcome]:
    """`works` are accepted while everything is off."""
    dice = random.Random(seed)
    with off() as cloud:
        client = Client(cloud, random.Random(dice.random()))
        client.send(works)
        keys = {name: value for name, value in cloud.machine.items() if name == "SKYLARK_API_KEYS"}
        with running_appliance(**keys) as appliance:
            campaign = Campaign(cloud, appliance, client, dice)
            campaign.wage(kills)
            return campaign, Outcome.of(campaign)


def measure(works: int, kills: int, seed: int = 1) -> list[Figure]:
    return figures(*waged(works, kills, seed))


def figures(campaign: Campaign, outcome: Outcome) -> list[Figure]:
    client = campaign.client
    for fault in [*outcome.lost, *outcome.twice, *outcome.wrong, *client.faults][:10]:
        print(fault)
    return [
        Figure("kills", campaign.killed.total(), ""),
        *(Figure(f"kills: {victim}", count, "") for victim, count in sorted(campaign.killed.items())),
        Figure("pieces of work accepted", outcome.works, ""),
        Figure("their texts", outcome.texts, ""),
        Figure("functions that ended half way while they accepted", client.unheard, ""),
        Figure("pieces of work in hand when an intake was killed", campaign.met, ""),
        Figure("lost", len(outcome.lost), "", 0),
        Figure("texts computed twice, or for nobody", len(outcome.twice), "", 0),
        Figure("with audio that is not theirs", len(outcome.wrong), "", 0),
        Figure("keys that gave two pieces of work", len(client.faults), "", 0),
        Figure("bodies left to the bucket's own rule", len(outcome.objects), ""),
        Figure("most attempts at a piece of work", outcome.most_attempts, ""),
    ]
