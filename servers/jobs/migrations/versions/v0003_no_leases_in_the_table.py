"""Leases are the engine's own to know, for one engine at a time holds the queue."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_column("jobs", "lease_expires_at")
