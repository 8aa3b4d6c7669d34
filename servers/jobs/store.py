"""The durable queue: what a method wrote is on the disk when it returns.

`claim` and `heartbeat` alone are not, for nothing is lost with them: a claim that was lost with the machine
is a queued job, whose next claim has the same token. Others may see what was written a moment before it is on
the disk; whoever wrote it tells nobody before it returns.

Only the newest claim of a job may end it: `claim` raises the job's token, and `finish` and `requeue` take
effect only with that token. Each claim is an attempt, on record as long as its job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from servers.errors import JobExpired, QueueFull, RunnerCrashed, SkylarkError
from servers.jobs import sql
from servers.jobs.database import open_database
from servers.jobs.idempotency import first_ids
from servers.jobs.job import Attempt, Job, Outcome, Status

RETRY_AFTER_S = 5.0
MOST_LOST = 100
"""A preemptible job that goes on from what it saved may lose its runner or the engine so often."""


@dataclass(frozen=True)
class Head:
    """The oldest queued job of one priority, model and application: all that a scheduler has to look at."""

    id: str
    seq: int
    model: tuple[str, str]
    application_id: str
    priority: int
    created_at: float
    attempt: int
    batch_key: str | None
    preemptible: bool = False


class Store:
    """Thread-safe. Times are seconds since the epoch.

    Every method raises StorageFailed when the database cannot be reached or its disk is full; nothing
    has changed then.
    """

    def __init__(self, url: str) -> None:
        """Opens the database at `sqlite:///<file>` or `postgresql://…`; raises SettingsError."""
        self._database = open_database(url)

    def close(self) -> None:
        self._database.close()

    def hold(self) -> bool:
        """Whether this store may run jobs: one of all that are open on a queue may, until it is closed.

        To be asked again now and then: with its connection a store loses that right.
        """
        return self._database.hold()

    # what submitters and pollers need

    def submit(
        self, new: Sequence[Job], *, max_queued: int, seen: Callable[[], object] = lambda: None
    ) -> list[str]:
        """Accepts all of the jobs or none; returns their ids in order.

        `seen` is called as soon as they can be claimed, so that work on them begins while they are written to
        the disk.

        A job whose idempotency key its owner has used already is not queued again: its id is the first
        job's. Raises Conflict when the first one's request was another, and QueueFull when more than
        `max_queued` would be queued.
        """
        keys = {job.idempotency_key for job in new} - {None}
        with self._database.write(alone=True, seen=seen) as connection:
            queued = connection.scalars(sql.COUNT[Status.QUEUED]).one()
            _check_room(queued, sum(job.idempotency_key is None for job in new), max_queued)
            inserted = connection.execute(sql.INSERT_ONCE if keys else sql.INSERT, [_row(job) for job in new])
            if not keys or inserted.rowcount == len(new):  # all of them are new
                _check_room(queued, len(new), max_queued)
                return [job.id for job in new]
            known = connection.execute(sql.WITH_KEYS, {"keys": list(keys)}).all()
            ids = first_ids(new, map(_job, known))
            _check_room(queued, len({job.id for job in new}.intersection(ids)), max_queued)
            return ids

    def take_in(self, job: Job) -> str:
        """Queues a job that another queue had accepted, whatever room there is. One that is here already, by
        its id or its owner's idempotency key, stays as it is. Returns the id of the job that is here for it.

        Raises Conflict where the key was used for another request here.
        """
        with self._database.write(alone=True) as connection:
            connection.execute(sql.INSERT_ONCE, [_row(job)])
            if connection.execute(sql.GET, {"job_id": job.id}).first():
                return job.id
            known = connection.execute(sql.WITH_KEYS, {"keys": [job.idempotency_key]}).all()
            (job_id,) = first_ids([job], map(_job, known))
            return job_id

    def hand_over(self, job_id: str) -> bool:
        """Forgets a queued job, which another queue has from now on; False for one that is not queued."""
        with self._database.write(alone=True) as connection:
            if connection.execute(sql.DELETE_QUEUED, {"job_id": job_id}).rowcount == 0:
                return False
            connection.execute(sql.DELETE_ATTEMPTS_OF, {"job_id": job_id})
            return True

    def get(self, job_id: str) -> Job | None:
        with self._database.read() as connection:
            row = connection.execute(sql.GET, {"job_id": job_id}).first()
        return _job(row) if row else None

    def heartbeat(self, job_id: str, now: float) -> None:
        """A client still asks for the job."""
        with self._database.write(durable=False) as connection:
            connection.execute(sql.HEARTBEAT, {"job_id": job_id, "now": now})

    def cancel_queued(self, job_id: str, now: float) -> bool:
        """Cancels the job if it is still queued."""
        with self._database.write() as connection:
            return connection.execute(sql.CANCEL_QUEUED, {"job_id": job_id, "now": now}).rowcount == 1

    # what the scheduler and the runners need

    def heads(self) -> list[Head]:
        """The oldest queued job of each (priority, model, application), preemptible ones apart."""
        with self._database.read() as connection:
            return [_head(row) for row in connection.execute(self._database.heads).all()]

    def companions(self, head: Head, limit: int) -> list[str]:
        """The ids of the queued, never tried jobs that may share the head's batch.

        The most urgent first, and among those the oldest.
        """
        values = _of_model(head.model) | {"shared_key": head.batch_key, "job_id": head.id, "most": limit}
        with self._database.read() as connection:
            return list(connection.scalars(sql.COMPANIONS, values))

    def claim(self, ids: Sequence[str], now: float) -> list[Job]:
        """Makes those of the jobs that are still queued run; returns them as they are then, oldest first.

        Each claim begins an attempt.
        """
        values = {"job_ids": ids, "now": now}
        with self._database.write(durable=False) as connection:
            jobs = [_job(row) for row in connection.execute(sql.CLAIM, values).all()]
            if jobs:
                connection.execute(sql.BEGIN_ATTEMPT, [_attempt_row(job) for job in jobs])
        return sorted(jobs, key=lambda job: job.seq)

    def finish(
        self,
        job: Job,
        status: Status,
        now: float,
        *,
        result: dict[str, Any] | None = None,
        error: SkylarkError | None = None,
    ) -> bool:
        """Ends a claimed job once; False when it has ended already or was claimed anew."""
        values = {"to_status": status, "to_result": result}
        return self._let_go(sql.FINISH, job, values, Outcome(status.value), now, error)

    def requeue(
        self,
        job: Job,
        *,
        count_attempt: bool,
        now: float | None = None,
        error: SkylarkError | None = None,
    ) -> bool:
        """Puts a claimed job back in its old place; False as `finish`.

        The attempt is on record as lost, with the error; without an error it is on record as returned. With
        `count_attempt=False` it is forgiven. `now` is the present where it is not given.
        """
        values = {"to_attempt": job.attempt if count_attempt else job.attempt - 1}
        outcome = Outcome.LOST if count_attempt or error is not None else Outcome.RETURNED
        return self._let_go(sql.REQUEUE, job, values, outcome, time.time() if now is None else now, error)

    def fail_queued(self, model: tuple[str, str], error: SkylarkError, now: float) -> list[str]:
        """Fails every queued job of a model that cannot be loaded; returns their ids."""
        values = _of_model(model) | {"now": now, "to_error": error.to_dict()}
        with self._database.write() as connection:
            return list(connection.scalars(sql.FAIL_QUEUED, values))

    def expire(self, now: float, heartbeat_timeout_s: float) -> list[str]:
        """Ends the queued jobs whose deadline has passed, and those that nobody asks for; returns their ids.

        Nobody asks for a job that may expire and whose last heartbeat is longer ago than the timeout.
        """
        late = JobExpired("the job's deadline passed while it was queued")
        unasked = JobExpired(f"nobody asked for the queued job for {heartbeat_timeout_s:g} s")
        of_late = {"now": now, "before": now, "to_error": late.to_dict()}
        of_unasked = {"now": now, "before": now - heartbeat_timeout_s, "to_error": unasked.to_dict()}
        with self._database.write() as connection:
            expired = connection.scalars(sql.EXPIRE_LATE, of_late).all()
            return [*expired, *connection.scalars(sql.EXPIRE_UNASKED, of_unasked)]

    def excuse_queued(self, now: float) -> None:
        """All that are queued count as asked for now."""
        with self._database.write() as connection:
            connection.execute(sql.EXCUSE_QUEUED, {"now": now})

    def recover(self, now: float, max_attempts: int) -> int:
        """After a crash: running jobs return to the queue, or fail when their attempts are used up.

        Returns how many there were. All that are queued count as asked for now: nobody could ask before.
        """
        ended = RunnerCrashed("the engine ended during this attempt")
        lost = RunnerCrashed(f"the engine or its runner ended during each of {max_attempts} attempts")
        values = {"now": now, "most": max_attempts, "to_error": lost.to_dict()}
        with self._database.write(alone=True) as connection:
            connection.execute(sql.END_ATTEMPTS_OF_RUNNING, {"now": now, "to_error": ended.to_dict()})
            recovered = connection.execute(sql.FORGIVE_PREEMPTIBLE, {"most_lost": MOST_LOST}).rowcount
            recovered += connection.execute(sql.FAIL_EXHAUSTED, values).rowcount
            recovered += connection.execute(sql.REQUEUE_RUNNING).rowcount
            connection.execute(sql.EXCUSE_QUEUED, {"now": now})
            return recovered

    def delete_ended(self, before: float) -> list[str]:
        """Forgets the jobs that ended before that time, with their attempts; returns their ids."""
        # alone, so that no submit is told of a first job that is going
        with self._database.write(alone=True) as connection:
            connection.execute(sql.DELETE_ATTEMPTS, {"before": before})
            return list(connection.scalars(sql.DELETE_ENDED, {"before": before}))

    # what people look at

    def count(self, status: Status) -> int:
        with self._database.read() as connection:
            return connection.scalars(sql.COUNT[status]).one()

    def waiting(self) -> dict[tuple[str, str], int]:
        """How many jobs are queued, by the model's backend and name; a model without any is left out."""
        with self._database.read() as connection:
            return {(kind, name): count for kind, name, count in connection.execute(sql.WAITING).all()}

    def in_status(self, status: Status, limit: int) -> list[Job]:
        """The jobs of a status, in the order of their acceptance."""
        return self._select(sql.IN_STATUS[status], {"most": limit})

    def recently_ended(self, limit: int) -> list[Job]:
        """The jobs that ended last, newest first."""
        return self._select(sql.RECENT, {"most": limit})

    def attempts(self, job_id: str) -> list[Attempt]:
        """Every claim of the job, in their order; none for a job that is not known."""
        with self._database.read() as connection:
            return [_attempt(row) for row in connection.execute(sql.ATTEMPTS, {"of_job": job_id}).all()]

    def _select(self, query: sa.Select[Any], values: dict[str, Any]) -> list[Job]:
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query, values).all()]

    def _let_go(
        self,
        change: sa.Update,
        job: Job,
        values: dict[str, Any],
        outcome: Outcome,
        now: float,
        error: SkylarkError | None,
    ) -> bool:
        """Ends the job's present claim and its attempt together; False when that claim holds no more."""
        end = _claim(job) | {"now": now, "to_error": error.to_dict() if error else None}
        with self._database.write() as connection:
            if connection.execute(change, end | values).rowcount == 0:
                return False
            connection.execute(sql.END_ATTEMPT, end | {"of_job": job.id, "to_outcome": outcome})
            return True


def _check_room(queued: int, new: int, max_queued: int) -> None:
    if new and queued + new > max_queued:
        raise QueueFull(
            f"{queued} jobs are queued and at most {max_queued} may be", retry_after_s=RETRY_AFTER_S
        )


def _claim(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "claim_token": job.token}


def _of_model(model: tuple[str, str]) -> dict[str, Any]:
    return {"of_type": model[0], "of_name": model[1]}


def _row(job: Job) -> dict[str, Any]:
    return {name: value for name, value in vars(job).items() if name not in ("seq", "progress_details")}


def _job(row: sa.Row[Any]) -> Job:
    return Job(**{**row._mapping, "status": Status(row.status)})


def _attempt_row(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "token": job.token, "attempt": job.attempt, "started_at": job.started_at}


def _attempt(row: sa.Row[Any]) -> Attempt:
    return Attempt(**{**row._mapping, "outcome": Outcome(row.outcome) if row.outcome else None})


def _head(row: Any) -> Head:
    return Head(
        id=row.id,
        seq=row.seq,
        model=(row.model_type, row.model),
        application_id=row.application_id,
        priority=row.priority,
        created_at=row.created_at,
        attempt=row.attempt,
        batch_key=row.batch_key,
        preemptible=row.preemptible,
    )
