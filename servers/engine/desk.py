"""What the HTTP API asks of the engine, on the request's own thread: read the store, wake the loop."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from servers.backends.base import default_task, parse_payload
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.loop import Loop
from servers.engine.runs import SPEAKS
from servers.errors import (
    EngineUnavailable,
    InvalidRequest,
    JobNotFound,
    StorageFailed,
)
from servers.jobs.job import Job, Status
from servers.jobs.outputs import check_output, check_path
from servers.jobs.store import Store
from servers.settings import Settings
from servers.speech import Noun

KEEP_ALIVE_S = 15.0
GLANCE_S = 1.0
"""How often a waiting thread looks whether its client is still there."""
HEARTBEAT_EVERY_S = 30.0
RECENT = 50
NO_NUL = r"^[^\x00]*$"  # no database keeps one in a text
RETRY_AFTER_S = 5.0
log = logging.getLogger(__name__)


class Submission(Noun):
    """The body of POST /jobs."""

    model_type: str
    model: str | None = None
    application_id: str = Field(default="default", min_length=1, max_length=200, pattern=NO_NUL)
    priority: int = Field(default=10, ge=0, le=1_000_000)
    payload: dict[str, Any] = Field(default_factory=dict)
    result_path: str | None = None
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds from now: a job that is still queued then expires."""
    expires: bool = True
    """Whether it also expires when nobody has polled it for heartbeat_timeout_s."""
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200, pattern=NO_NUL)
    """The same one again gives the first job again; POST /jobs also takes it as a header."""
    batch_key: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    """Only jobs with the same one are given to the model together; "" is never with another."""


@dataclass(frozen=True)
class Caller:
    """Who asks: `owner` is the id of an API key, None for someone who may see every job."""

    owner: str | None = None
    remote: bool = False
    """It came over a network, and not over the Unix socket."""

    def may_see(self, owner: str | None) -> bool:
        return self.owner is None or self.owner == owner


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

    def submit(self, submissions: Sequence[Submission], caller: Caller) -> list[str]:
        """Accepts all or none; returns their ids. Raises what is wrong with the first bad one."""
        if self._loop.draining:
            raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
        jobs = [self._job(submission, caller) for submission in submissions]
        ids = self._store.submit(jobs, max_queued=self._settings.engine.max_queued)
        self._loop.wake()
        return ids

    def _job(self, submission: Submission, caller: Caller) -> Job:
        model = self._catalog.resolve(submission.model_type, submission.model)
        backend = backend_class(model.backend, self._settings.backends_path)
        payload = dict(submission.payload)
        result_path, named = payload.pop("result_path", None), "payload.result_path"  # as seed 000 sends it
        if submission.result_path is not None:
            result_path, named = submission.result_path, "result_path"
        _refuse_nul(payload, "payload")
        request = parse_payload(backend, payload)
        task = payload.setdefault("task", default_task(backend))
        now = self._clock()
        return Job(
            id=str(uuid.uuid4()),
            model_type=model.backend,
            model=model.name,
            application_id=submission.application_id,
            priority=submission.priority,
            created_at=now,
            last_heartbeat=now,
            payload=self._checked_payload(payload, request, caller),
            result_path=self._output(result_path, task, named),
            batch_key=_batch_key(submission, task, backend.batch_key(request)),
            owner=caller.owner,
            idempotency_key=submission.idempotency_key,
            deadline_at=None if submission.deadline_s is None else now + submission.deadline_s,
            expires=submission.expires,
        )

    def _output(self, path: object, task: str, named: str) -> str | None:
        if path is None:
            return None
        if not isinstance(path, str):
            raise InvalidRequest(f"{named!r} must be a path", param=named)
        return str(check_output(path, task == SPEAKS, self._settings.engine.roots(), named))

    def _checked_payload(self, payload: dict[str, Any], request: Noun, caller: Caller) -> dict[str, Any]:
        """Who calls over a network may only name files under the allowed roots."""
        if not caller.remote:
            return payload
        roots = self._settings.engine.roots()
        named = {name: value for name, value in vars(request).items() if isinstance(value, Path)}
        return payload | {
            name: str(check_path(str(path), roots, f"payload.{name}")) for name, path in named.items()
        }

    # one job

    def get(self, job_id: str, caller: Caller) -> Job:
        """The job as it is now. Raises JobNotFound, also for a job of another key."""
        job = self._store.get(job_id)
        if job is None or not caller.may_see(job.owner):
            raise JobNotFound(f"there is no job {job_id!r}")
        return replace(job, progress=self._loop.runs.progress.get(job_id, job.progress))

    def poll(self, job_id: str, caller: Caller, wait_s: float, connected: Callable[[], bool]) -> Job:
        """The job as soon as it has ended, or as it is after `wait_s`; the client's interest is noted."""
        deadline = self._ticks() + wait_s
        with self._loop.bulletin.subscribe(("ended", job_id)) as bell:
            while True:
                bell.clear()
                job = self.get(job_id, caller)
                remaining = deadline - self._ticks()
                if job.status.ended:
                    return job
                self._note_interest(job)
                if remaining <= 0 or self._loop.ended or not connected():
                    return job
                bell.wait(min(remaining, GLANCE_S))

    def _note_interest(self, job: Job) -> None:
        """A poll is answered also while the database can only be read; and no job expires for that."""
        now = self._clock()
        if now - job.last_heartbeat <= HEARTBEAT_EVERY_S:
            return
        try:
            self._store.heartbeat(job.id, now)
        except StorageFailed as error:
            fields = {"action": "heartbeat_failed", "job": job.id, "error": error.message}
            log.warning("a client's interest cannot be written", extra=fields)
            self._loop.excuse_silence()

    def cancel(self, job_id: str, caller: Caller, connected: Callable[[], bool]) -> Job:
        """Ends the job, queued or running; one that has ended stays as it is."""
        self.get(job_id, caller)
        if not self._cancel_queued(job_id):
            self._loop.cancel(job_id)
        return self.poll(job_id, caller, self._settings.engine.cancel_grace_s, connected)

    def withdraw(self, job_id: str, caller: Caller) -> None:
        """Cancels a queued job. Raises JobNotFound for one that runs or has ended (seed 000)."""
        self.get(job_id, caller)
        if not self._cancel_queued(job_id):
            status = self.get(job_id, caller).status
            raise JobNotFound(f"job {job_id!r} is {status.value}; only a queued job can be withdrawn")

    def _cancel_queued(self, job_id: str) -> bool:
        cancelled = self._store.cancel_queued(job_id, self._clock())
        if cancelled:
            self._loop.runs.tell(job_id)
        return cancelled

    def attempts(self, job: Job) -> list[dict[str, Any]]:
        """Every run of the job that was begun, and how it ended."""
        return [vars(attempt) for attempt in self._store.attempts(job.id)]

    def events(self, job_id: str, caller: Caller, connected: Callable[[], bool]) -> Iterator[Job | None]:
        """The job as it is, then each time that its status, attempt or progress has changed, until it ends.

        None now and then in between, so that a connection that nobody reads is noticed.
        """
        seen: tuple[object, ...] | None = None
        with self._loop.bulletin.subscribe(("events", job_id)) as bell:
            while True:
                bell.clear()
                job = self.get(job_id, caller)
                news = (job.status, job.attempt, job.progress)
                if news != seen:
                    seen = news
                    yield job
                if job.status.ended or self._loop.ended or not connected():
                    return
                if not bell.wait(KEEP_ALIVE_S):
                    yield None

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

    def queue(self, caller: Caller) -> dict[str, Any]:
        """`active` is the job that runs, the first of a batch; `queued` in the order of acceptance."""

        def shown(jobs: Sequence[Job]) -> list[dict[str, Any]]:
            return [job.to_dict() for job in jobs if caller.may_see(job.owner)]

        running = shown(self._store.in_status(Status.RUNNING, RECENT))
        return {
            "active": running[0] if running else None,
            "running": running,
            "queued": shown(self._store.in_status(Status.QUEUED, RECENT)),
            "recent": shown(self._store.recently_ended(RECENT)),
        }


def _refuse_nul(value: object, param: str) -> None:
    """No model can speak one, and it ends a text for libraries in C. Raises InvalidRequest."""
    match value:
        case str() if "\0" in value:
            raise InvalidRequest(f"{param!r} holds a NUL byte", param=param)
        case dict():
            for name, inner in value.items():
                _refuse_nul(inner, f"{param}.{name}")
        case list():
            for index, inner in enumerate(value):
                _refuse_nul(inner, f"{param}.{index}")


def _batch_key(submission: Submission, task: str, kind: str) -> str | None:
    """Jobs with the same key are given to the model together; None where the client wants it alone."""
    return None if submission.batch_key == "" else f"{task}/{kind}/{submission.batch_key or ''}"


def _named(model: tuple[str, str]) -> dict[str, str]:
    return {"type": model[0], "name": model[1]}
