"""What Alembic runs: the versions, in the transaction that the caller has begun."""

from __future__ import annotations

import logging

from alembic import context

from servers.jobs.sql import metadata

logging.getLogger("alembic").setLevel(logging.WARNING)  # `upgrade` says it once, with an action
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
