"""Which jobs are preemptible, for they are chosen apart; those that share a batch by their priority."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("preemptible", sa.Boolean, nullable=False, server_default=sa.false()))
    op.drop_index("jobs_by_turn", "jobs")
    op.drop_index("jobs_by_batch", "jobs")
    _index("jobs_by_turn", ["priority", "model_type", "model", "application_id", "preemptible", "seq"])
    _index("jobs_by_batch", ["model_type", "model", "batch_key", "priority", "seq"])


def _index(name: str, columns: list[str]) -> None:
    queued = sa.text("status = 'queued'")
    op.create_index(name, "jobs", columns, sqlite_where=queued, postgresql_where=queued)
