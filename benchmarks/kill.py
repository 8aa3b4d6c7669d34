"""kill -9 of engine, server and runner at random moments, while jobs keep coming: none may be lost."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

import psutil

from benchmarks.figures import Figure
from servers.errors import EngineUnavailable
from tests.acceptance.processes import Engine, eventually, running_engine

JOB = {"text": "short", "chunks": 3, "pace_s": 0.005}
WAITING = 40
"""Jobs that are kept in the queue, so that there is always one to kill."""
MAX_ATTEMPTS = 3
END_S = 120.0


@dataclass
class Campaign:
    """What was submitted, and how each job was first seen to have ended."""

    engine: Engine
    dice: random.Random
    submitted: list[str] = field(default_factory=list)
    ended: dict[str, tuple[str, float, int]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    """Jobs that ended twice."""

    def wage(self, kills: int) -> None:
        for _ in range(kills):
            self.fill()
            eventually(self.works, "jobs run again", END_S)  # a model that never loads is another matter
            time.sleep(self.dice.uniform(0, 0.1))
            self.kill()
        eventually(lambda: self.look() == len(self.submitted), "every accepted job has ended", END_S)

    def fill(self) -> None:
        """Keeps jobs waiting; one whose acceptance was not heard does not count as accepted."""
        missing = WAITING - (len(self.submitted) - self.look())
        try:
            if missing > 0:
                jobs = [{"model_type": "fake", "payload": JOB}] * missing
                self.submitted += self.engine.client.submit(jobs)
        except EngineUnavailable:
            return

    def works(self) -> bool:
        try:
            return self.engine.client.queue()["active"] is not None
        except EngineUnavailable:
            return False

    def look(self) -> int:
        """How many have ended. An end is final: status, time and attempt may never change after it."""
        for job_id in self.submitted:
            try:
                job = self.engine.client.get(job_id)
            except EngineUnavailable:
                break
            if job["finished_at"] is not None:
                end = (job["status"], job["finished_at"], job["attempt"])
                if self.ended.setdefault(job_id, end) != end:
                    self.changed.append(job_id)
        return len(self.ended)

    def kill(self) -> None:
        victim = self.dice.choices(("runner", "worker", "server"), weights=(8, 1, 1))[0]
        workers = self.engine.server.workers
        if victim == "server":
            self.engine.server.kill()
            _kill(workers)
            self.engine.start()
        elif victim == "worker":
            _kill(workers)
        else:
            _kill([child for worker in workers for child in _children(worker)])


def measure(kills: int, seed: int = 1) -> list[Figure]:
    with running_engine(SKYLARK_ENGINE__MAX_ATTEMPTS=str(MAX_ATTEMPTS)) as engine:
        campaign = Campaign(engine, random.Random(seed))
        campaign.wage(kills)
    return figures(campaign, kills)


def figures(campaign: Campaign, kills: int) -> list[Figure]:
    ends = campaign.ended.values()
    return [
        Figure("kills", kills, ""),
        Figure("jobs accepted", len(campaign.submitted), ""),
        Figure("jobs lost", len(campaign.submitted) - len(ends), "", 0),
        Figure("jobs that ended twice", len(campaign.changed), "", 0),
        Figure("most attempts of a job", max(attempt for _, _, attempt in ends), "", MAX_ATTEMPTS),
        Figure("jobs that used up their attempts", sum(status == "failed" for status, _, _ in ends), ""),
    ]


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:  # it was quicker
            continue


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
