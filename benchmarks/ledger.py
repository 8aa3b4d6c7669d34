"""What the queue's database says of accepted jobs after a campaign: each ended once, with its own audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.customer import Order
from benchmarks.figures import Figure
from servers.jobs.job import Attempt, Job, Outcome
from servers.jobs.results import Results
from servers.jobs.store import Store

COMMITTED = (Outcome.DONE, Outcome.FAILED, Outcome.CANCELLED)


@dataclass
class Ledger:
    """The ids of the jobs that break a promise, and what it took to keep it for the others."""

    jobs: int = 0
    lost: list[str] = field(default_factory=list)
    """Not in the database, or not ended."""
    twice: list[str] = field(default_factory=list)
    """More than one attempt committed, or one that was not the newest."""
    wrong: list[str] = field(default_factory=list)
    """Done, and its audio is not all its own."""
    most_attempts: int = 0
    failed: int = 0
    lost_to_runner: int = 0
    """Attempts that ended because their runner did."""
    lost_to_engine: int = 0

    def read(self, store: Store, data_dir: Path, orders: Mapping[str, Order]) -> Ledger:
        results = Results(data_dir)
        for job_id, order in orders.items():
            job = store.get(job_id)
            audio = results.path(job).read_bytes() if job is not None and job.result is not None else None
            self._enter(job_id, job, store.attempts(job_id), audio, order)
        return self

    def _enter(
        self, job_id: str, job: Job | None, attempts: list[Attempt], audio: bytes | None, order: Order
    ) -> None:
        self.jobs += 1
        if job is None or not job.status.ended:
            self.lost.append(job_id)
            return
        if not ended_once(job, attempts):
            self.twice.append(job_id)
        if audio is not None and audio != order.audio():
            self.wrong.append(job_id)
        self.failed += job.status == "failed"
        self.most_attempts = max(self.most_attempts, job.attempt)
        lost = [each.error or {} for each in attempts if each.outcome is Outcome.LOST]
        to_runner = sum("runner ended" in error.get("message", "") for error in lost)
        self.lost_to_runner += to_runner
        self.lost_to_engine += len(lost) - to_runner

    def add(self, other: Ledger) -> Ledger:
        """Both together."""
        both = {name: getattr(self, name) + getattr(other, name) for name in vars(self)}
        return Ledger(**both | {"most_attempts": max(self.most_attempts, other.most_attempts)})

    def figures(self, max_attempts: int) -> list[Figure]:
        return [
            Figure("jobs accepted", self.jobs, ""),
            Figure("jobs lost", len(self.lost), "", 0),
            Figure("jobs that ended twice", len(self.twice), "", 0),
            Figure("jobs with a sample that is not theirs", len(self.wrong), "", 0),
            Figure("most attempts of a job", self.most_attempts, "", max_attempts),
            Figure("jobs that used up their attempts", self.failed, ""),
            Figure("attempts lost to a runner's end", self.lost_to_runner, ""),
            Figure("attempts lost to the engine's end", self.lost_to_engine, ""),
        ]


def ended_once(job: Job, attempts: list[Attempt]) -> bool:
    """At most one attempt committed, and it was the newest claim; a job that is done has that one."""
    committed = [each.token for each in attempts if each.outcome in COMMITTED]
    if job.status == "done":
        return committed == [job.token]
    return committed in ([], [job.token])
