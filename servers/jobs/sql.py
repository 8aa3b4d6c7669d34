"""The jobs table and every statement over it, made once: to make one costs as much as to run it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam as value

from servers.jobs.job import Status

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

_queued = jobs.c.status == sa.literal_column(f"'{Status.QUEUED.value}'")
_running = jobs.c.status == sa.literal_column(f"'{Status.RUNNING.value}'")
_of_model = (jobs.c.model_type == value("of_type"), jobs.c.model == value("of_name"))
_turn = (jobs.c.priority, jobs.c.model_type, jobs.c.model, jobs.c.application_id)

INSERT = sa.insert(jobs)
GET = sa.select(jobs).where(jobs.c.id == value("job_id"))
COUNT = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == value("of_status"))
IN_STATUS = (
    sa.select(jobs).where(jobs.c.status == value("of_status")).order_by(jobs.c.seq).limit(value("most"))
)
RECENT = (
    sa.select(jobs)
    .where(jobs.c.finished_at.is_not(None))
    .order_by(jobs.c.finished_at.desc())
    .limit(value("most"))
)

# The oldest queued job of each (priority, model, application).
HEADS = sa.select(*_turn, jobs.c.id, jobs.c.seq, jobs.c.created_at, jobs.c.attempt, jobs.c.batch_key).where(
    jobs.c.seq.in_(sa.select(sa.func.min(jobs.c.seq)).where(_queued).group_by(*_turn))
)

# The queued, never tried jobs that may share a job's batch.
COMPANIONS = (
    sa.select(jobs.c.id)
    .where(
        _queued,
        *_of_model,
        jobs.c.batch_key == value("shared_key"),
        jobs.c.attempt == 0,
        jobs.c.id != value("job_id"),
    )
    .order_by(jobs.c.seq)
    .limit(value("most"))
)

CLAIM = (
    sa.update(jobs)
    .where(jobs.c.id.in_(value("job_ids", expanding=True)), _queued)
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
    status=value("to_status"), finished_at=value("now"), result=value("to_result"), error=value("to_error")
)
REQUEUE = _claimed.values(status=Status.QUEUED, started_at=None, progress=None, attempt=value("to_attempt"))

HEARTBEAT = sa.update(jobs).where(jobs.c.id == value("job_id")).values(last_heartbeat=value("now"))
CANCEL_QUEUED = (
    sa.update(jobs)
    .where(jobs.c.id == value("job_id"), _queued)
    .values(status=Status.CANCELLED, finished_at=value("now"))
)
FAIL_QUEUED = (
    sa.update(jobs)
    .where(_queued, *_of_model)
    .values(status=Status.FAILED, finished_at=value("now"), error=value("to_error"))
    .returning(jobs.c.id)
)

# After a crash: what was running has used its attempts, or goes back.
FAIL_EXHAUSTED = (
    sa.update(jobs)
    .where(_running, jobs.c.attempt >= value("most"))
    .values(status=Status.FAILED, finished_at=value("now"), error=value("to_error"))
)
REQUEUE_RUNNING = sa.update(jobs).where(_running).values(status=Status.QUEUED, started_at=None, progress=None)
DELETE_ENDED = sa.delete(jobs).where(jobs.c.finished_at < value("before")).returning(jobs.c.id)
