"""Idempotency keys, deadlines, expiry and leases; a row for each attempt; indexes for a long queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("idempotency_key", sa.String))
    op.add_column("jobs", sa.Column("deadline_at", sa.Float))
    op.add_column("jobs", sa.Column("expires", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("jobs", sa.Column("lease_expires_at", sa.Float))
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.String(36), primary_key=True),
        sa.Column("token", sa.Integer, primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("outcome", sa.String(16)),
        sa.Column("error", sa.JSON),
    )
    op.drop_index("jobs_by_turn", "jobs")
    _index("jobs_queued", ["seq"], "status = 'queued'")
    _index("jobs_running", ["seq"], "status = 'running'")
    turn = ["priority", "model_type", "model", "application_id", "seq"]
    _index("jobs_by_turn", turn, "status = 'queued'")
    _index("jobs_by_batch", ["model_type", "model", "batch_key", "seq"], "status = 'queued'")
    _index("jobs_by_heartbeat", ["expires", "last_heartbeat"], "status = 'queued'")
    _index("jobs_by_deadline", ["deadline_at"], "status = 'queued' AND deadline_at IS NOT NULL")
    _index("jobs_by_key", ["idempotency_key", "owner"], "idempotency_key IS NOT NULL", unique=True)
    _index(
        "jobs_by_key_alone", ["idempotency_key"], "idempotency_key IS NOT NULL AND owner IS NULL", unique=True
    )


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "jobs", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
