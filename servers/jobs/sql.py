"""The tables and every statement over them, made once: to make one costs as much as to run it.

A change of the tables is a new version in migrations/versions.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam as value
from sqlalchemy.dialects import postgresql

from servers.jobs.job import Outcome, Status


def _index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """An index of some of the rows, on both databases."""
    condition = sa.text(where)
    return sa.Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


QUEUED = f"status = '{Status.QUEUED.value}'"
RUNNING = f"status = '{Status.RUNNING.value}'"
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
    sa.Column("idempotency_key", sa.String),
    sa.Column("deadline_at", sa.Float),
    sa.Column("expires", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("preemptible", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("time_limit_s", sa.Float),
    sa.Index("jobs_by_end", "finished_at"),
    # Of the queued or the running only, for most jobs have ended. No index begins with the status: SQLite
    # would take it for nearly everything.
    _index("jobs_queued", "seq", where=QUEUED),
    _index("jobs_running", "seq", where=RUNNING),
    _index(
        "jobs_by_turn",
        "priority",
        "model_type",
        "model",
        "application_id",
        "preemptible",
        "seq",
        where=QUEUED,
    ),
    _index("jobs_by_batch", "model_type", "model", "batch_key", "priority", "seq", where=QUEUED),
    _index("jobs_by_heartbeat", "expires", "last_heartbeat", where=QUEUED),
    _index("jobs_by_deadline", "deadline_at", where=f"{QUEUED} AND deadline_at IS NOT NULL"),
    # Two, for to a unique index no two missing owners are the same.
    _index("jobs_by_key", "idempotency_key", "owner", where="idempotency_key IS NOT NULL", unique=True),
    _index(
        "jobs_by_key_alone",
        "idempotency_key",
        where="idempotency_key IS NOT NULL AND owner IS NULL",
        unique=True,
    ),
    sqlite_autoincrement=True,
)
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("job_id", sa.String(36), primary_key=True),
    sa.Column("token", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("outcome", sa.String(16)),
    sa.Column("error", sa.JSON(none_as_null=True)),
)

# Written out: an index of the queued jobs does not serve a statement that is told the status later.
_in = {status: jobs.c.status == sa.literal_column(f"'{status.value}'") for status in Status}
_queued, _running = _in[Status.QUEUED], _in[Status.RUNNING]
_of_model = (jobs.c.model_type == value("of_type"), jobs.c.model == value("of_name"))
_turn = (jobs.c.priority, jobs.c.model_type, jobs.c.model, jobs.c.application_id, jobs.c.preemptible)


def _locked(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """The jobs that meet the conditions, locked in one order, so that no two writers await each other.

    The sum keeps SQLite, which needs no order, from walking through the whole queue for the sake of it.
    """
    chosen = sa.select(jobs.c.seq).where(*conditions).order_by(jobs.c.seq + 0).with_for_update()
    return sa.and_(jobs.c.seq.in_(chosen), *conditions)


def _end_queued(status: Status, *conditions: sa.ColumnElement[bool]) -> Any:
    """Ends the queued jobs that meet the conditions, with an error."""
    ended = {"status": status, "finished_at": value("now"), "error": value("to_error")}
    return sa.update(jobs).where(_locked(_queued, *conditions)).values(ended).returning(jobs.c.id)


INSERT = sa.insert(jobs)
# Leaves out what a unique index holds already. SQLite has the same words for it.
INSERT_ONCE = postgresql.insert(jobs).on_conflict_do_nothing()
WITH_KEYS = sa.select(jobs).where(jobs.c.idempotency_key.in_(value("keys", expanding=True)))
GET = sa.select(jobs).where(jobs.c.id == value("job_id"))
COUNT = {status: sa.select(sa.func.count()).select_from(jobs).where(_in[status]) for status in Status}
WAITING = (
    sa.select(jobs.c.model_type, jobs.c.model, sa.func.count())
    .where(_queued)
    .group_by(jobs.c.model_type, jobs.c.model)
)
IN_STATUS = {
    status: sa.select(jobs).where(_in[status]).order_by(jobs.c.seq).limit(value("most")) for status in Status
}
RECENT = (
    sa.select(jobs)
    .where(jobs.c.finished_at.is_not(None))
    .order_by(jobs.c.finished_at.desc())
    .limit(value("most"))
)

# The oldest queued job of each (priority, model, application), preemptible ones apart.
_head = (*_turn, jobs.c.id, jobs.c.seq, jobs.c.created_at, jobs.c.attempt, jobs.c.batch_key)
HEADS = sa.select(*_head).where(
    jobs.c.seq.in_(sa.select(sa.func.min(jobs.c.seq)).where(_queued).group_by(*_turn))
)


def _heads_one_by_one() -> sa.Select[Any]:
    """The same, from each head to the next one through the index jobs_by_turn.

    PostgreSQL reads all of the queue for HEADS: with 10,000 jobs 12 ms instead of 1. SQLite, which does
    that in 1.5 ms, is slower with this.
    """
    ordered = sa.select(*_head).where(_queued).order_by(*_turn, jobs.c.seq).limit(1)
    head = ordered.cte("head", recursive=True)
    here = tuple(head.c[column.name] for column in _turn)
    further = ordered.where(sa.tuple_(*_turn) > sa.tuple_(*here)).lateral("further")
    return sa.select(head.union_all(sa.select(further).select_from(head.join(further, sa.true()))))


HEADS_ONE_BY_ONE = _heads_one_by_one()

# The queued, never tried jobs that may share a job's batch, the most urgent first.
COMPANIONS = (
    sa.select(jobs.c.id)
    .where(
        _queued,
        *_of_model,
        jobs.c.batch_key == value("shared_key"),
        jobs.c.attempt == 0,
        jobs.c.id != value("job_id"),
    )
    .order_by(jobs.c.priority, jobs.c.seq)
    .limit(value("most"))
)

CLAIM = (
    sa.update(jobs)
    .where(_locked(jobs.c.id.in_(value("job_ids", expanding=True)), _queued))
    .values(
        status=Status.RUNNING,
        started_at=value("now"),
        progress=None,
        attempt=jobs.c.attempt + 1,
        token=jobs.c.token + 1,
    )
    .returning(*jobs.c)
)

# Only the newest claim of a running job may change it.
_claimed = sa.update(jobs).where(jobs.c.id == value("job_id"), _running, jobs.c.token == value("claim_token"))
FINISH = _claimed.values(
    status=value("to_status"),
    finished_at=value("now"),
    result=value("to_result"),
    error=value("to_error"),
)
_back = {"status": Status.QUEUED, "started_at": None, "progress": None}
REQUEUE = _claimed.values(_back | {"attempt": value("to_attempt")})

HEARTBEAT = sa.update(jobs).where(jobs.c.id == value("job_id")).values(last_heartbeat=value("now"))
CANCEL_QUEUED = (
    sa.update(jobs)
    .where(jobs.c.id == value("job_id"), _queued)
    .values(status=Status.CANCELLED, finished_at=value("now"))
)
FAIL_QUEUED = _end_queued(Status.FAILED, *_of_model)
EXPIRE_LATE = _end_queued(Status.EXPIRED, jobs.c.deadline_at < value("before"))
EXPIRE_UNASKED = _end_queued(
    Status.EXPIRED, jobs.c.expires.is_(sa.true()), jobs.c.last_heartbeat < value("before")
)

# After a crash: what was running has used its attempts, or goes back. Before that, what is preemptible goes
# back to go on from what it saved, and its attempt does not count.
FAIL_EXHAUSTED = (
    sa.update(jobs)
    .where(_running, jobs.c.attempt >= value("most"))
    .values(status=Status.FAILED, finished_at=value("now"), error=value("to_error"))
)
_times_lost = (
    sa.select(sa.func.count())
    .where(attempts.c.job_id == jobs.c.id, attempts.c.outcome == Outcome.LOST)
    .scalar_subquery()
)
FORGIVE_PREEMPTIBLE = (
    sa.update(jobs)
    .where(_running, jobs.c.preemptible.is_(sa.true()), _times_lost < value("most_lost"))
    .values(_back | {"attempt": jobs.c.attempt - 1})
)
REQUEUE_RUNNING = sa.update(jobs).where(_running).values(_back)
EXCUSE_QUEUED = sa.update(jobs).where(_queued).values(last_heartbeat=value("now"))

_forgotten = jobs.c.finished_at < value("before")
DELETE_ATTEMPTS = sa.delete(attempts).where(attempts.c.job_id.in_(sa.select(jobs.c.id).where(_forgotten)))
DELETE_ATTEMPTS_OF = sa.delete(attempts).where(attempts.c.job_id == value("job_id"))
DELETE_QUEUED = sa.delete(jobs).where(jobs.c.id == value("job_id"), _queued)
DELETE_ENDED = sa.delete(jobs).where(_forgotten).returning(jobs.c.id)

BEGIN_ATTEMPT = sa.insert(attempts)
ATTEMPTS = sa.select(attempts).where(attempts.c.job_id == value("of_job")).order_by(attempts.c.token)
_end: dict[str, Any] = {"ended_at": value("now"), "outcome": value("to_outcome"), "error": value("to_error")}
END_ATTEMPT = (
    sa.update(attempts)
    .where(attempts.c.job_id == value("of_job"), attempts.c.token == value("claim_token"))
    .values(_end)
)
END_ATTEMPTS_OF_RUNNING = (
    sa.update(attempts)
    .where(attempts.c.job_id.in_(sa.select(jobs.c.id).where(_running)), attempts.c.ended_at.is_(None))
    .values(_end | {"outcome": Outcome.LOST})
)
