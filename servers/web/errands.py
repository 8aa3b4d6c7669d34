"""What a door has done for its clients: submit jobs, wait while the client is there, collect, clear up.

Every door answers several requests at once in the same way: each outcome stands in its place, an error
where a job failed; if all of them failed, the first error is the answer.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from flask import Flask, current_app
from pydantic import Field, StringConstraints

from servers.catalog import Catalog
from servers.errors import DeadlineExceeded, EngineUnavailable, JobCancelled, SkylarkError
from servers.jobs.client import AnswerLost, JobsClient
from servers.settings import Door, Limits
from servers.speech import ModelSpec, Noun
from servers.web.app import on_terminate
from servers.web.auth import current_owner
from servers.web.disconnect import client_connected

logger = logging.getLogger(__name__)
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
WireJob = dict[str, Any]
Reply = dict[str, Any]
Names = Mapping[str, str]

AWAY_S = 30.0
"""How long the engine may be away for supervisord to start it again: accepted jobs outlive it."""
RETRY_S = 0.25
DRAIN_S = 25.0
"""How long a stopping door waits for its jobs: gunicorn's graceful_timeout less what clearing up takes."""
EXTENSION = "skylark.errands"


class Order(Noun):
    """What every request for work may say about how it is queued."""

    model: Name | None = None
    application_id: Name | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Errands:
    """One for each app. `clock` and `pause` are passed in, so that no test waits."""

    def __init__(
        self,
        client: JobsClient,
        catalog: Catalog,
        door: Door,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client, self.catalog, self.door, self.limits = client, catalog, door, limits
        self._clock, self._pause = clock, pause
        self._started_at = clock()
        self._stop_at: float | None = None

    @property
    def uptime_s(self) -> float:
        return round(self._clock() - self._started_at, 3)

    def stop(self) -> None:
        """From now on nobody is waited for longer than DRAIN_S."""
        self._stop_at = self._clock() + DRAIN_S

    def model(self, name: str | None = None) -> ModelSpec:
        """The model of that name, "name" or "backend/name"; the door's own where there is no name.

        Of several models with one name the door's own backend's is meant. Raises UnknownModel.
        """
        if name is None:
            return self.catalog.resolve(self.door.model_type, self.door.model)
        return self.catalog.find(name, prefer=self.door.model_type)

    def submit(
        self,
        order: Order,
        payloads: Sequence[dict[str, Any]],
        names: Sequence[Names],
        batch_key: str | None = None,
    ) -> Errand:
        """A job for each payload, all accepted or none.

        `names` says for each payload what its fields are called in the request, where they differ.
        """
        deadline = self._clock() + self.limits.request_timeout_s
        model = self.model(order.model)
        # a door polls its jobs one after the other, and cancels those that nobody waits for
        job = {"model_type": model.backend, "model": model.name, "batch_key": batch_key, "expires": False}
        job |= order.model_dump(include={"application_id", "priority"}, exclude_none=True)
        jobs = [job | {"payload": payload, "idempotency_key": uuid.uuid4().hex} for payload in payloads]
        try:
            job_ids = self._accepted(jobs)
        except SkylarkError as error:
            raise in_request_terms(error, names[0] if len(names) == 1 else {}) from None
        return Errand(self, model, job_ids, names, deadline)

    def _accepted(self, jobs: Sequence[dict[str, Any]]) -> list[str]:
        """Their ids. An engine that ended before it answered may have accepted them: it is asked again."""
        lost_at: float | None = None
        while True:
            try:
                return self.client.submit(jobs, owner=current_owner())
            except EngineUnavailable as error:
                now = self._clock()
                if lost_at is None and not isinstance(error, AnswerLost):
                    raise
                lost_at = now if lost_at is None else lost_at
                if now - lost_at >= AWAY_S or not client_connected() or self._has_stopped():
                    raise
                self._pause(RETRY_S)

    def wait(self, job_id: str, deadline: float) -> WireJob:
        """The ended job.

        Raises DeadlineExceeded, JobCancelled once the client has gone, and EngineUnavailable when this
        server or the engine stops.
        """

        def wanted() -> bool:
            return client_connected() and not self._has_stopped()

        try:
            return self._ended(job_id, deadline, wanted)
        except JobCancelled:
            if self._has_stopped():
                raise EngineUnavailable("the server is stopping", retry_after_s=AWAY_S) from None
            raise

    def _ended(self, job_id: str, deadline: float, wanted: Callable[[], bool]) -> WireJob:
        """Waits on while the engine is being restarted."""
        away_since: float | None = None
        while True:
            try:
                left_s = deadline - self._clock()
                return self.client.wait(job_id, timeout_s=left_s, wanted=wanted, clock=self._clock)
            except EngineUnavailable:
                now = self._clock()
                away_since = now if away_since is None else away_since
                if now - away_since >= AWAY_S or not wanted():
                    raise
                if now >= deadline:
                    raise DeadlineExceeded("the engine was away until the request's deadline") from None
                self._pause(RETRY_S)

    def _has_stopped(self) -> bool:
        return self._stop_at is not None and self._clock() >= self._stop_at


@dataclass(frozen=True)
class Errand:
    """The jobs of one request, in the order of its items."""

    errands: Errands
    model: ModelSpec
    job_ids: list[str]
    names: Sequence[Names]
    deadline: float

    def replies(self, collect: Callable[[WireJob], Reply]) -> list[Reply]:
        """For each job what `collect` makes of it once it is done, or {"error": {…}} where it failed.

        Raises the first error if all failed, and whatever `Errands.wait` does. Whatever is raised, the
        jobs that nobody waits for are cancelled.
        """
        outcomes: list[Reply | SkylarkError] = []
        try:
            for job_id, names in zip(self.job_ids, self.names, strict=True):
                outcomes.append(self._outcome(job_id, names, collect))
        except BaseException:
            self._cancel(self.job_ids[len(outcomes) :])
            raise
        errors = [outcome for outcome in outcomes if isinstance(outcome, SkylarkError)]
        if len(errors) == len(outcomes):
            raise errors[0]
        return [{"error": each.to_dict()} if isinstance(each, SkylarkError) else each for each in outcomes]

    def _outcome(
        self, job_id: str, names: Names, collect: Callable[[WireJob], Reply]
    ) -> Reply | SkylarkError:
        job = self.errands.wait(job_id, self.deadline)
        if job["status"] == "done":
            return collect(job)
        if job["error"] is None:
            return JobCancelled(f"job {job_id} was {job['status']}")
        return in_request_terms(SkylarkError.from_dict(job["error"]), names)

    def _cancel(self, job_ids: Sequence[str]) -> None:
        """The last first, so that none of them starts while the running one ends.

        An engine that is away is not asked for each: what is left of the jobs then runs for nobody.
        """
        for job_id in reversed(job_ids):
            try:
                self.errands.client.cancel(job_id)
            except SkylarkError as error:  # why the request ends matters more than this
                fields = {"action": "cancel", "job_id": job_id, "error": error.code}
                logger.warning("a job could not be cancelled", extra=fields)
                if isinstance(error, EngineUnavailable):
                    return


def install(app: Flask, errands: Errands) -> None:
    app.extensions[EXTENSION] = errands
    on_terminate(app, errands.stop)


def errands() -> Errands:
    """The current app's."""
    current: Errands = current_app.extensions[EXTENSION]
    return current


def in_request_terms(error: SkylarkError, names: Names) -> SkylarkError:
    """The same error, its `param` in the request's words: a job's payload is the door's affair."""
    if error.param is not None:
        field = error.param.removeprefix("payload.")
        # The endpoint is the task: what the client can change is the model that was to do it.
        error.param = ({"task": "model"} | dict(names)).get(field, field)
    return error
