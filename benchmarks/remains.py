"""What streams leave behind in a running appliance: jobs, files, descriptors, memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.heard import Heard
from benchmarks.ledger import Ledger
from benchmarks.listeners import LONG_CHUNKS
from benchmarks.reading import Text
from servers.jobs.job import Job, Status
from servers.jobs.results import Results
from servers.jobs.store import Store
from tests.acceptance.processes import Appliance

ALL = 1_000_000


@dataclass(frozen=True)
class Size:
    """Of the processes of the tts door, the engine and its runners, with no job in hand."""

    door_fds: int
    engine_fds: int
    threads: int
    door_mb: float
    """Memory that no other process shares (USS)."""
    engine_mb: float
    runners_mb: float

    @property
    def own_mb(self) -> float:
        return self.door_mb + self.engine_mb + self.runners_mb

    @staticmethod
    def of(appliance: Appliance) -> Size:
        door, engine = (appliance.named(f"servers.{name}.app") for name in ("tts", "engine"))
        runners = appliance.named("servers.runner")
        return Size(
            door_fds=sum(each.num_fds() for each in door),
            engine_fds=sum(each.num_fds() for each in engine),
            threads=sum(each.num_threads() for each in (*door, *engine, *runners)),
            door_mb=_own_mb(door),
            engine_mb=_own_mb(engine),
            runners_mb=_own_mb(runners),
        )


def _own_mb(processes: list[psutil.Process]) -> float:
    return sum(each.memory_full_info().uss for each in processes) / 1e6


@dataclass
class Remains:
    """Each list has one line for each thing that should not be there."""

    ledger: Ledger
    cancelled: int = 0
    went_on: list[str] = field(default_factory=list)
    """Jobs that nobody waited for, and that were not cancelled."""
    not_done: list[str] = field(default_factory=list)
    """Jobs of requests with a key that were not done."""
    files: list[str] = field(default_factory=list)
    """Audio of jobs that are not done, and audio that is still open."""

    logged: list[str] = field(default_factory=list)
    """Errors in the servers' logs, but that a worker was killed."""

    @staticmethod
    def of(appliance: Appliance, heard: Heard) -> Remains:
        """Once every job has ended."""
        store = Store(f"sqlite:///{appliance.folder}/jobs.sqlite3")
        try:
            jobs = [job for status in (Status.QUEUED, Status.RUNNING) for job in store.in_status(status, ALL)]
            jobs += store.recently_ended(ALL)
            orders = {job.id: Text.of(job.payload["text"]).order() for job in jobs}
            found = Remains(Ledger().read(store, appliance.folder, orders))
            found.look(jobs, heard)
            found.look_at_files(appliance, jobs)
            found.logged = [line for log in appliance.folder.glob("logs/*.log") for line in _errors(log)]
            return found
        finally:
            store.close()

    def look(self, jobs: list[Job], heard: Heard) -> None:
        kept = set(heard.jobs.values())
        self.cancelled = sum(job.status is Status.CANCELLED for job in jobs)
        self.not_done = [job.id for job in jobs if job.id in kept and job.status is not Status.DONE]
        done = [(job.id, Text.of(job.payload["text"])) for job in jobs if job.status is Status.DONE]
        self.went_on = [
            f"{job_id} {text}"
            for job_id, text in done
            if text.chunks == LONG_CHUNKS and not heard.may_go_on(text.number)
        ]

    def look_at_files(self, appliance: Appliance, jobs: list[Job]) -> None:
        results = Results(appliance.folder)
        kept = {results.path(job).name for job in jobs if job.status is Status.DONE}
        folder = appliance.folder / "results"
        there = {file.name for file in folder.iterdir()}
        self.files = [f"left: {name}" for name in sorted(there - kept)]
        self.files += [f"open: {path}" for path in _open_below(str(folder), appliance.family())]
        self.files += [f"uploaded: {path}" for path in (appliance.folder / "uploads").glob("*")]

    def lines(self) -> list[str]:
        return [*self.went_on, *self.not_done, *self.files, *self.logged]

    def figures(self) -> list[Figure]:
        return [
            Figure("jobs", self.ledger.jobs, ""),
            Figure("of these cancelled", self.cancelled, ""),
            Figure("jobs still queued or running, or lost", len(self.ledger.lost), "", 0),
            Figure("jobs that ended twice", len(self.ledger.twice), "", 0),
            Figure("jobs with a sample that is not theirs", len(self.ledger.wrong), "", 0),
            Figure("jobs with a key that were not done", len(self.not_done), "", 0),
            Figure("jobs that went on for nobody", len(self.went_on), "", 0),
            Figure("files left or open", len(self.files), "", 0),
            Figure("errors in the servers' logs", len(self.logged), "", 0),
        ]


def _errors(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    return [line[:400] for line in lines if '"level": "ERROR"' in line and "sent SIGKILL" not in line]


def _open_below(folder: str, processes: list[psutil.Process]) -> list[str]:
    return [file.path for each in processes for file in each.open_files() if file.path.startswith(folder)]
