"""The one face that the engine shows to request threads: what clients may ask of it, and nothing else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from servers.engine.device import Device
from servers.engine.models import ModelState, Phase
from servers.engine.news import News
from servers.engine.runs import LiveJob
from servers.engine.scheduler import Model
from servers.engine.submission import Caller, JobFactory, Submission
from servers.errors import EngineUnavailable, JobNotFound, StorageFailed
from servers.jobs.handover import HandedOver
from servers.jobs.job import Job, Status
from servers.jobs.store import Store
from servers.settings import Engine as Limits

KEEP_ALIVE_S = 15.0
HEARTBEAT_EVERY_S = 30.0
RECENT = 50
RETRY_AFTER_S = 5.0
log = logging.getLogger(__name__)


class Core(Protocol):
    """What the service needs of the engine's loop."""

    draining: bool

    def wake(self) -> None: ...
    def cancel(self, job_id: str) -> None: ...
    def excuse_silence(self) -> None: ...
    def models(self) -> dict[Model, ModelState]: ...


class Service:
    """Thread-safe. `live` are the jobs that run now, by id."""

    def __init__(
        self,
        jobs: JobFactory,
        store: Store,
        core: Core,
        live: dict[str, LiveJob],
        news: News,
        limits: Limits,
        device: Device,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs, self._store, self._core, self._live, self._news = jobs, store, core, live, news
        self._limits, self._device = limits, device
        self._clock, self._ticks = clock, ticks
        self._started_at = ticks()

    def submit(self, submissions: Sequence[Submission], caller: Caller) -> list[str]:
        """Accepts all or none; returns their ids. Raises what is wrong with the first bad one."""
        if self._core.draining:
            raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
        now = self._clock()
        jobs = self._jobs.jobs(submissions, caller, now)
        return self._store.submit(jobs, max_queued=self._limits.max_queued, seen=self._core.wake)

    def take_in(self, handed: HandedOver) -> str:
        """Queues what another engine has accepted; a second time changes nothing. Returns the id of the job
        that is here for it. Raises UnknownModel and InvalidRequest where nothing here can do it, and
        Conflict where another request has its key.
        """
        if self._core.draining:
            raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
        self._jobs.check(handed)
        job_id = self._store.take_in(handed.job(self._clock()))
        self._core.wake()
        return job_id

    # one job

    def get(self, job_id: str, caller: Caller) -> Job:
        """The job as it is now. Raises JobNotFound, also for a job of another key."""
        job = self._store.get(job_id)
        if job is None or not caller.may_see(job.owner):
            raise JobNotFound(f"there is no job {job_id!r}")
        live = self._live.get(job_id)
        if live is None or live.progress is None:
            return job
        return replace(job, progress=live.progress, progress_details=live.progress_details)

    def poll(self, job_id: str, caller: Caller, wait_s: float, connected: Callable[[], bool]) -> Job:
        """The job as soon as it has ended, or as it is after `wait_s`; the client's interest is noted."""
        for _ in self._news.watch(("ended", job_id), self._ticks() + wait_s, connected):
            job = self.get(job_id, caller)
            if job.status.ended:
                break
            self.note_interest(job)
        return job

    def note_interest(self, job: Job) -> None:
        """A poll is answered also while the database can only be read; and no job expires for that."""
        now = self._clock()
        if now - job.last_heartbeat <= HEARTBEAT_EVERY_S:
            return
        try:
            self._store.heartbeat(job.id, now)
        except StorageFailed as error:
            fields = {"action": "heartbeat_failed", "job": job.id, "error": error.message}
            log.warning("a client's interest cannot be written", extra=fields)
            self._core.excuse_silence()

    def keep_alive(self, job_ids: Sequence[str], caller: Caller) -> None:
        """Notes the interest of a client that waits for all of these."""
        for job_id in job_ids:
            self.note_interest(self.get(job_id, caller))

    def cancel(self, job_id: str, caller: Caller, connected: Callable[[], bool]) -> Job:
        """Ends the job, queued or running; one that has ended stays as it is."""
        self.get(job_id, caller)
        if not self._cancel_queued(job_id):
            self._core.cancel(job_id)
        return self.poll(job_id, caller, self._limits.cancel_grace_s, connected)

    def withdraw(self, job_id: str, caller: Caller) -> None:
        """Cancels a queued job. Raises JobNotFound for one that runs or has ended (seed 000)."""
        self.get(job_id, caller)
        if not self._cancel_queued(job_id):
            raise JobNotFound(_not_withdrawn(self.get(job_id, caller)))

    def _cancel_queued(self, job_id: str) -> bool:
        cancelled = self._store.cancel_queued(job_id, self._clock())
        if cancelled:
            self._news.tell(job_id)
        return cancelled

    def attempts(self, job: Job) -> list[dict[str, Any]]:
        """Every run of the job that was begun, and how it ended."""
        return [vars(attempt) for attempt in self._store.attempts(job.id)]

    def events(self, job_id: str, caller: Caller, connected: Callable[[], bool]) -> Iterator[Job | None]:
        """The job as it is, then each time that its status, attempt or progress has changed, until it ends.

        None now and then in between, so that a connection that nobody reads is noticed.
        """
        seen: tuple[object, ...] | None = None
        for fresh in self._news.watch(("events", job_id), wanted=connected, every_s=KEEP_ALIVE_S):
            job = self.get(job_id, caller)
            now = (job.status, job.attempt, job.progress, job.progress_details)
            if now != seen:
                seen = now
                yield job
            elif not fresh:
                yield None
            if job.status.ended:
                return

    # the whole engine

    def health(self) -> dict[str, Any]:
        models = self._core.models().values()
        ready = [model for model in models if model.is_resident and model.phase is not Phase.LOADING]
        ready.sort(key=lambda model: model.loaded_at)
        depth, error = self._queue_depth()
        status = "stopping" if self._core.draining else "ok" if error is None else "degraded"
        about = {
            "status": status,
            "loaded_model": _named(ready[-1]) if ready else None,
            "loaded_models": [_named(model) for model in ready],
            "loading": [_named(model) for model in models if model.phase is Phase.LOADING],
            "queue_depth": depth,
            "uptime_s": round(self._ticks() - self._started_at, 3),
            "device": self._device.name,
            "gpu_name": self._device.gpu_name,
        }
        return about if error is None else about | {"error": error.to_dict()}

    def _queue_depth(self) -> tuple[int | None, StorageFailed | None]:
        """How many jobs are queued, or why that cannot be read."""
        try:
            return self._store.count(Status.QUEUED), None
        except StorageFailed as error:
            return None, error

    def activity(self) -> dict[str, Any]:
        """How much there is to do, in numbers alone, whoever it is of. `training` are the running jobs that
        can be interrupted, and not among `running`; `ended` the RECENT that were done last, newest first,
        with the seconds of audio that were spoken or heard.
        """
        training = sum(job.preemptible for job in self._store.in_status(Status.RUNNING, RECENT))
        loading = sum(model.phase is Phase.LOADING for model in self._core.models().values())
        return {
            "queued": self._store.count(Status.QUEUED),
            "running": self._store.count(Status.RUNNING) - training,
            "training": training,
            "loading": loading,
            "ended": [
                {
                    "finished_at": job.finished_at,
                    "seconds": job.finished_at - job.started_at,
                    "audio_s": (job.result or {}).get("duration_s", 0.0),
                }
                for job in self._store.recently_ended(RECENT)
                if job.status is Status.DONE and job.finished_at and job.started_at and not job.preemptible
            ],
        }

    def queue(self, caller: Caller) -> dict[str, Any]:
        """`active` is the job that runs, the first of a batch; `queued` in the order of acceptance, RECENT of
        them at most; `waiting` how many are queued for each model, whoever they are of.
        """

        def shown(jobs: Sequence[Job]) -> list[dict[str, Any]]:
            return [job.to_dict() for job in jobs if caller.may_see(job.owner)]

        running = shown(self._store.in_status(Status.RUNNING, RECENT))
        return {
            "active": running[0] if running else None,
            "running": running,
            "queued": shown(self._store.in_status(Status.QUEUED, RECENT)),
            "recent": shown(self._store.recently_ended(RECENT)),
            "waiting": [
                {"model_type": kind, "model": name, "count": count}
                for (kind, name), count in self._store.waiting().items()
            ],
        }


def _not_withdrawn(job: Job) -> str:
    if job.status.ended:
        return f"job {job.id!r} is {job.status.value} already: there is nothing left to withdraw"
    return (
        f"job {job.id!r} is {job.status.value}, and only a queued job can be withdrawn: "
        f"POST /jobs/{job.id}/cancel ends it"
    )


def _named(model: ModelState) -> dict[str, str]:
    return {"type": model.spec.backend, "name": model.spec.name}
