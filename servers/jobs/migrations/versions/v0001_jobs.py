"""The table as `create_all` made it before there were versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
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
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("progress", sa.Float),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("batch_key", sa.String),
        sa.Column("owner", sa.String),
        sa.Column("token", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    turn = ["status", "priority", "model_type", "model", "application_id", "seq"]
    op.create_index("jobs_by_turn", "jobs", turn)
    op.create_index("jobs_by_end", "jobs", ["finished_at"])
