"""The durable queue. SQLite in WAL mode with synchronous=FULL: what a method wrote is on the disk.

Only the newest claim of a job may end it: `claim` raises the job's token, and `finish` and `requeue` take
effect only with that token.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from servers.errors import QueueFull, RunnerCrashed, SkylarkError
from servers.jobs import sql
from servers.jobs.job import Job, Status

RETRY_AFTER_S = 5.0


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


class Store:
    """Thread-safe. One process owns the database; its writes take turns at one lock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(f"sqlite:///{path}", pool_size=16, max_overflow=48)
        sa.event.listen(self._engine, "connect", _make_durable)
        self._writing = threading.Lock()
        sql.metadata.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    # what submitters and pollers need

    def submit(self, new: Sequence[Job], *, max_queued: int) -> None:
        """Accepts all of the jobs or none. Raises QueueFull beyond `max_queued` queued jobs."""
        with self._write() as connection:
            queued = connection.scalars(sql.COUNT, {"of_status": Status.QUEUED}).one()
            if queued + len(new) > max_queued:
                raise QueueFull(
                    f"{queued} jobs are queued and at most {max_queued} may be", retry_after_s=RETRY_AFTER_S
                )
            connection.execute(sql.INSERT, [_row(job) for job in new])

    def get(self, job_id: str) -> Job | None:
        with self._engine.connect() as connection:
            row = connection.execute(sql.GET, {"job_id": job_id}).first()
        return _job(row) if row else None

    def heartbeat(self, job_id: str, now: float) -> None:
        """A client still asks for the job."""
        with self._write() as connection:
            connection.execute(sql.HEARTBEAT, {"job_id": job_id, "now": now})

    def cancel_queued(self, job_id: str, now: float) -> bool:
        """Cancels the job if it is still queued."""
        with self._write() as connection:
            return connection.execute(sql.CANCEL_QUEUED, {"job_id": job_id, "now": now}).rowcount == 1

    # what the scheduler and the runners need

    def heads(self) -> list[Head]:
        """The oldest queued job of each (priority, model, application)."""
        with self._engine.connect() as connection:
            return [_head(row) for row in connection.execute(sql.HEADS).all()]

    def companions(self, head: Head, limit: int) -> list[str]:
        """The ids of the queued, never tried jobs that may share the head's batch, oldest first."""
        values = _of_model(head.model) | {"shared_key": head.batch_key, "job_id": head.id, "most": limit}
        with self._engine.connect() as connection:
            return list(connection.scalars(sql.COMPANIONS, values))

    def claim(self, ids: Sequence[str], now: float) -> list[Job]:
        """Makes those of the jobs that are still queued run; returns them as they are then, oldest first."""
        with self._write() as connection:
            rows = connection.execute(sql.CLAIM, {"job_ids": ids, "now": now}).all()
        return sorted((_job(row) for row in rows), key=lambda job: job.seq)

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
        wire_error = error.to_dict() if error else None
        values = {"to_status": status, "now": now, "to_result": result, "to_error": wire_error}
        return self._change_claimed(sql.FINISH, job, values)

    def requeue(self, job: Job, *, count_attempt: bool) -> bool:
        """Puts a claimed job back in its old place; `count_attempt=False` forgives the attempt."""
        attempt = job.attempt if count_attempt else job.attempt - 1
        return self._change_claimed(sql.REQUEUE, job, {"to_attempt": attempt})

    def fail_queued(self, model: tuple[str, str], error: SkylarkError, now: float) -> list[str]:
        """Fails every queued job of a model that cannot be loaded; returns their ids."""
        values = _of_model(model) | {"now": now, "to_error": error.to_dict()}
        with self._write() as connection:
            return list(connection.scalars(sql.FAIL_QUEUED, values))

    def recover(self, now: float, max_attempts: int) -> int:
        """After a crash: running jobs return to the queue, or fail when their attempts are used up.

        Returns how many there were.
        """
        lost = RunnerCrashed(f"the engine or its runner ended during each of {max_attempts} attempts")
        values = {"now": now, "most": max_attempts, "to_error": lost.to_dict()}
        with self._write() as connection:
            failed = connection.execute(sql.FAIL_EXHAUSTED, values).rowcount
            return failed + connection.execute(sql.REQUEUE_RUNNING).rowcount

    def delete_ended(self, before: float) -> list[str]:
        """Forgets the jobs that ended before that time; returns their ids."""
        with self._write() as connection:
            return list(connection.scalars(sql.DELETE_ENDED, {"before": before}))

    # what people look at

    def count(self, status: Status) -> int:
        with self._engine.connect() as connection:
            return connection.scalars(sql.COUNT, {"of_status": status}).one()

    def in_status(self, status: Status, limit: int) -> list[Job]:
        """The jobs of a status, in the order of their acceptance."""
        return self._select(sql.IN_STATUS, {"of_status": status, "most": limit})

    def recently_ended(self, limit: int) -> list[Job]:
        """The jobs that ended last, newest first."""
        return self._select(sql.RECENT, {"most": limit})

    def _select(self, query: sa.Select[Any], values: dict[str, Any]) -> list[Job]:
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query, values).all()]

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._writing, self._engine.begin() as connection:
            yield connection

    def _change_claimed(self, change: sa.Update, job: Job, values: dict[str, Any]) -> bool:
        claim = {"job_id": job.id, "claim_token": job.token}
        with self._write() as connection:
            return connection.execute(change, claim | values).rowcount == 1


def _make_durable(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"):
        connection.execute(f"PRAGMA {pragma}")


def _of_model(model: tuple[str, str]) -> dict[str, Any]:
    return {"of_type": model[0], "of_name": model[1]}


def _row(job: Job) -> dict[str, Any]:
    return {name: value for name, value in vars(job).items() if name != "seq"}


def _job(row: sa.Row[Any]) -> Job:
    return Job(**{**row._mapping, "status": Status(row.status)})


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
    )
