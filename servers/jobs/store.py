"""All SQL: the durable queue in one table. SQLite in WAL mode with synchronous=FULL.

A write is durable when its method returns. Only the newest claim of a job may end it: `claim` raises the
job's token, and `finish` and `requeue` take effect only with that token.
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
from servers.jobs.job import Job, Status

RETRY_AFTER_S = 5.0

metadata = sa.MetaData()
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("model_type", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("application_id", sa.String, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("last_heartbeat", sa.Float, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("result_path", sa.String),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("progress", sa.Float),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("batch_key", sa.String),
    sa.Column("owner", sa.String),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Index("jobs_by_turn", "status", "priority", "model_type", "model", "application_id", "seq"),
    sa.Index("jobs_by_end", "finished_at"),
    sqlite_autoincrement=True,
)


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
        metadata.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def submit(self, new: Sequence[Job], *, max_queued: int) -> None:
        """Accepts all of the jobs or none. Raises QueueFull beyond `max_queued` queued jobs."""
        with self._write() as connection:
            queued = self._count(connection, Status.QUEUED)
            if queued + len(new) > max_queued:
                raise QueueFull(
                    f"{queued} jobs are queued and at most {max_queued} may be", retry_after_s=RETRY_AFTER_S
                )
            connection.execute(sa.insert(jobs), [_row(job) for job in new])

    def get(self, job_id: str) -> Job | None:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).first()
        return _job(row) if row else None

    def heads(self) -> list[Head]:
        """The oldest queued job of each (priority, model, application)."""
        turn = (jobs.c.priority, jobs.c.model_type, jobs.c.model, jobs.c.application_id)
        oldest = sa.select(sa.func.min(jobs.c.seq)).where(jobs.c.status == Status.QUEUED).group_by(*turn)
        columns = (*turn, jobs.c.id, jobs.c.seq, jobs.c.created_at, jobs.c.attempt, jobs.c.batch_key)
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(jobs.c.seq.in_(oldest))).all()
        return [
            Head(
                id=row.id,
                seq=row.seq,
                model=(row.model_type, row.model),
                application_id=row.application_id,
                priority=row.priority,
                created_at=row.created_at,
                attempt=row.attempt,
                batch_key=row.batch_key,
            )
            for row in rows
        ]

    def companions(self, head: Head, limit: int) -> list[str]:
        """The ids of the queued, never tried jobs that may share the head's batch, oldest first."""
        query = (
            sa.select(jobs.c.id)
            .where(
                jobs.c.status == Status.QUEUED,
                jobs.c.model_type == head.model[0],
                jobs.c.model == head.model[1],
                jobs.c.batch_key == head.batch_key,
                jobs.c.attempt == 0,
                jobs.c.id != head.id,
            )
            .order_by(jobs.c.seq)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def claim(self, ids: Sequence[str], now: float) -> list[Job]:
        """Makes those of the jobs that are still queued run; returns them as they are then, oldest first."""
        change = (
            sa.update(jobs)
            .where(jobs.c.id.in_(ids), jobs.c.status == Status.QUEUED)
            .values(
                status=Status.RUNNING,
                started_at=now,
                progress=None,
                attempt=jobs.c.attempt + 1,
                token=jobs.c.token + 1,
            )
            .returning(*jobs.c)
        )
        with self._write() as connection:
            claimed = [_job(row) for row in connection.execute(change).all()]
        return sorted(claimed, key=lambda job: job.seq)

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
        values = {
            "status": status,
            "finished_at": now,
            "result": result,
            "error": error.to_dict() if error else None,
        }
        with self._write() as connection:
            return self._change_claimed(connection, job, values)

    def requeue(self, job: Job, *, count_attempt: bool) -> bool:
        """Puts a claimed job back in its old place; `count_attempt=False` forgives the attempt."""
        values: dict[str, Any] = {"status": Status.QUEUED, "started_at": None, "progress": None}
        if not count_attempt:
            values["attempt"] = job.attempt - 1
        with self._write() as connection:
            return self._change_claimed(connection, job, values)

    def heartbeat(self, job_id: str, now: float) -> None:
        """A client still asks for the job."""
        with self._write() as connection:
            connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(last_heartbeat=now))

    def cancel_queued(self, job_id: str, now: float) -> bool:
        """Cancels the job if it is still queued."""
        change = (
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.status == Status.QUEUED)
            .values(status=Status.CANCELLED, finished_at=now)
        )
        with self._write() as connection:
            return connection.execute(change).rowcount == 1

    def fail_queued(self, model: tuple[str, str], error: SkylarkError, now: float) -> list[str]:
        """Fails every queued job of a model that cannot be loaded; returns their ids."""
        change = (
            sa.update(jobs)
            .where(jobs.c.status == Status.QUEUED, jobs.c.model_type == model[0], jobs.c.model == model[1])
            .values(status=Status.FAILED, finished_at=now, error=error.to_dict())
            .returning(jobs.c.id)
        )
        with self._write() as connection:
            return list(connection.scalars(change))

    def recover(self, now: float, max_attempts: int) -> int:
        """After a crash: running jobs return to the queue, or fail when their attempts are used up.

        Returns how many there were.
        """
        lost = RunnerCrashed(f"the engine or its runner ended during each of {max_attempts} attempts")
        running = jobs.c.status == Status.RUNNING
        with self._write() as connection:
            failed = connection.execute(
                sa.update(jobs)
                .where(running, jobs.c.attempt >= max_attempts)
                .values(status=Status.FAILED, finished_at=now, error=lost.to_dict())
            )
            queued = connection.execute(
                sa.update(jobs).where(running).values(status=Status.QUEUED, started_at=None, progress=None)
            )
            return failed.rowcount + queued.rowcount

    def delete_ended(self, before: float) -> list[str]:
        """Forgets the jobs that ended before that time; returns their ids."""
        with self._write() as connection:
            return list(
                connection.scalars(sa.delete(jobs).where(jobs.c.finished_at < before).returning(jobs.c.id))
            )

    def count(self, status: Status) -> int:
        with self._engine.connect() as connection:
            return self._count(connection, status)

    def in_status(self, status: Status, limit: int) -> list[Job]:
        """The jobs of a status, in the order of their acceptance."""
        return self._select(sa.select(jobs).where(jobs.c.status == status).order_by(jobs.c.seq).limit(limit))

    def recently_ended(self, limit: int) -> list[Job]:
        """The jobs that ended last, newest first."""
        query = sa.select(jobs).where(jobs.c.finished_at.is_not(None))
        return self._select(query.order_by(jobs.c.finished_at.desc()).limit(limit))

    def _select(self, query: sa.Select[Any]) -> list[Job]:
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query).all()]

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._writing, self._engine.begin() as connection:
            yield connection

    @staticmethod
    def _count(connection: Connection, status: Status) -> int:
        query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == status)
        return connection.scalars(query).one()

    @staticmethod
    def _change_claimed(connection: Connection, job: Job, values: dict[str, Any]) -> bool:
        change = (
            sa.update(jobs)
            .where(jobs.c.id == job.id, jobs.c.status == Status.RUNNING, jobs.c.token == job.token)
            .values(values)
        )
        return connection.execute(change).rowcount == 1


def _make_durable(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"):
        connection.execute(f"PRAGMA {pragma}")


def _row(job: Job) -> dict[str, Any]:
    return {name: value for name, value in vars(job).items() if name != "seq"}


def _job(row: sa.Row[Any]) -> Job:
    return Job(**{**row._mapping, "status": Status(row.status)})
