"""What the HTTP API asks of the engine, on the request's own thread: read the store, wake the loop."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import Field

from servers.backends.base import default_task, parse_payload
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.loop import Loop
from servers.errors import Conflict, EngineUnavailable, JobCancelled, JobNotFound, SkylarkError
from servers.jobs.job import Job, Status
from servers.jobs.results import BYTES_PER_SAMPLE, LiveAudio
from servers.jobs.store import Store
from servers.settings import Settings
from servers.speech import Noun

READ_BYTES = 64 * 1024
GLANCE_S = 1.0
"""How often a waiting thread looks whether its client is still there."""
HEARTBEAT_EVERY_S = 30.0
RECENT = 50
RETRY_AFTER_S = 5.0


class Submission(Noun):
    """The body of POST /jobs."""

    model_type: str
    model: str | None = None
    application_id: str = Field(default="default", min_length=1, max_length=200)
    priority: int = Field(default=10, ge=0, le=1_000_000)
    payload: dict[str, Any] = Field(default_factory=dict)
    batch_key: str | None = Field(default=None, max_length=200)


@dataclass(frozen=True)
class Sound:
    """A job's audio: `chunks` of little-endian int16 mono PCM."""

    sample_rate: int
    chunks: Iterator[bytes]


class Desk:
    """Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        catalog: Catalog,
        device: Device,
        loop: Loop,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._catalog = settings, store, catalog
        self._device, self._loop = device, loop
        self._clock, self._ticks = clock, ticks
        self._started_at = ticks()

    # submitting

    def submit(self, submissions: Sequence[Submission], owner: str | None) -> list[str]:
        """Accepts all or none; returns their ids. Raises what is wrong with the first bad one."""
        if self._loop.draining:
            raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
        jobs = [self._job(submission, owner) for submission in submissions]
        self._store.submit(jobs, max_queued=self._settings.engine.max_queued)
        self._loop.wake()
        return [job.id for job in jobs]

    def _job(self, submission: Submission, owner: str | None) -> Job:
        model = self._catalog.resolve(submission.model_type, submission.model)
        backend = backend_class(model.backend, self._settings.backends_path)
        parse_payload(backend, submission.payload)
        task = submission.payload.get("task", default_task(backend))
        now = self._clock()
        return Job(
            id=str(uuid.uuid4()),
            model_type=model.backend,
            model=model.name,
            application_id=submission.application_id,
            priority=submission.priority,
            created_at=now,
            last_heartbeat=now,
            payload={**submission.payload, "task": task},
            batch_key=f"{task}/{submission.batch_key}" if submission.batch_key else None,
            owner=owner,
        )

    # one job

    def get(self, job_id: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        job = self._store.get(job_id)
        if job is None:
            raise JobNotFound(f"there is no job {job_id!r}")
        return replace(job, progress=self._loop.runs.progress.get(job_id, job.progress))

    def poll(self, job_id: str, wait_s: float, connected: Callable[[], bool]) -> Job:
        """The job as soon as it has ended, or as it is after `wait_s`; the client's interest is noted."""
        deadline = self._ticks() + wait_s
        with self._loop.bulletin.subscribe(("ended", job_id)) as bell:
            while True:
                bell.clear()
                job = self.get(job_id)
                remaining = deadline - self._ticks()
                if job.status.ended:
                    return job
                self._note_interest(job)
                if remaining <= 0 or self._loop.ended or not connected():
                    return job
                bell.wait(min(remaining, GLANCE_S))

    def _note_interest(self, job: Job) -> None:
        now = self._clock()
        if now - job.last_heartbeat > HEARTBEAT_EVERY_S:
            self._store.heartbeat(job.id, now)

    def cancel(self, job_id: str, connected: Callable[[], bool]) -> Job:
        """Ends the job, queued or running; one that has ended stays as it is."""
        if not self._cancel_queued(job_id) and not self.get(job_id).status.ended:
            self._loop.cancel(job_id)
        return self.poll(job_id, self._settings.engine.cancel_grace_s, connected)

    def withdraw(self, job_id: str) -> None:
        """Cancels a queued job. Raises JobNotFound for one that runs or has ended (seed 000)."""
        if not self._cancel_queued(job_id):
            status = self.get(job_id).status
            raise JobNotFound(f"job {job_id!r} is {status.value}; only a queued job can be withdrawn")

    def _cancel_queued(self, job_id: str) -> bool:
        cancelled = self._store.cancel_queued(job_id, self._clock())
        if cancelled:
            self._loop.bulletin.publish(("ended", job_id))
            self._loop.bulletin.publish(("audio", job_id))
        return cancelled

    # audio

    def audio(self, job_id: str, start: int, connected: Callable[[], bool]) -> Sound:
        """The job's audio from sample `start`, as soon as there is some.

        Raises Conflict for a job that makes none, and the job's own error when it has failed.
        """
        with self._loop.bulletin.subscribe(("audio", job_id)) as bell:
            while True:
                bell.clear()
                job, live = self.get(job_id), self._loop.runs.live.get(job_id)
                if job.status is Status.DONE:
                    return self._recorded(job, start)
                if job.status.ended:
                    raise _failure(job)
                if live is not None and live.sample_rate is not None and live.complete is None:
                    return Sound(live.sample_rate, self._follow(job_id, live, live.path.open("rb"), start))
                if self._loop.ended or not connected():
                    raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
                bell.wait(GLANCE_S)

    def _recorded(self, job: Job, start: int) -> Sound:
        rate = (job.result or {}).get("sample_rate")
        if rate is None:
            raise Conflict(f"job {job.id!r} makes no audio")
        return Sound(rate, _read(self._loop.results.path(job), start))

    def _follow(self, job_id: str, live: LiveAudio, file: BinaryIO, start: int) -> Iterator[bytes]:
        """What is there, then what comes; an attempt that fails breaks the stream rather than end it."""
        sent = start
        with file, self._loop.bulletin.subscribe(("audio", job_id)) as bell:
            file.seek(start * BYTES_PER_SAMPLE)
            while True:
                bell.clear()
                complete = live.complete  # before looking at the samples: the last ones come before it
                while sent < live.samples:
                    data = file.read(min(READ_BYTES, (live.samples - sent) * BYTES_PER_SAMPLE))
                    sent += len(data) // BYTES_PER_SAMPLE
                    yield data
                if complete:
                    return
                if complete is False or self._loop.ended:
                    raise EngineUnavailable("the job's attempt ended", retry_after_s=RETRY_AFTER_S)
                bell.wait(GLANCE_S)

    # the whole engine

    def health(self) -> dict[str, Any]:
        ready = [runner.model for runner in self._loop.fleet.runners.copy().values() if not runner.loading]
        loading = [runner.model for runner in self._loop.fleet.runners.copy().values() if runner.loading]
        return {
            "status": "stopping" if self._loop.draining else "ok",
            "loaded_model": _named(ready[-1]) if ready else None,
            "loaded_models": [_named(model) for model in ready],
            "loading": [_named(model) for model in loading],
            "queue_depth": self._store.count(Status.QUEUED),
            "uptime_s": round(self._ticks() - self._started_at, 3),
            "device": self._device.name,
            "gpu_name": self._device.gpu_name,
        }

    def queue(self) -> dict[str, Any]:
        """`active` is the job that runs, the first of a batch; `queued` in the order of acceptance."""
        running = self._store.in_status(Status.RUNNING, RECENT)
        return {
            "active": running[0].to_dict() if running else None,
            "running": [job.to_dict() for job in running],
            "queued": [job.to_dict() for job in self._store.in_status(Status.QUEUED, RECENT)],
            "recent": [job.to_dict() for job in self._store.recently_ended(RECENT)],
        }


def _named(model: tuple[str, str]) -> dict[str, str]:
    return {"type": model[0], "name": model[1]}


def _failure(job: Job) -> SkylarkError:
    if job.error is None:
        return JobCancelled(f"job {job.id!r} was {job.status.value}")
    return SkylarkError.from_dict(job.error)


def _read(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start * BYTES_PER_SAMPLE)
        while data := file.read(READ_BYTES):
            yield data
