"""The versions of the queue's tables, applied one after the other when a store opens its database.

A new one is a file in versions/ whose down_revision is NEWEST, and then NEWEST. What was published is
never changed. Tests hold the versions and servers/jobs/sql.py together.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from servers.settings import SettingsError

FIRST = "0001"
NEWEST = "0005"
VERSION = sa.table("alembic_version", sa.column("version_num"))
log = logging.getLogger(__name__)


def upgrade(connection: Connection) -> None:
    """Makes the tables what this code expects, in the caller's transaction.

    Raises SettingsError for a database that a newer Skylark has made.
    """
    tables = sa.inspect(connection).get_table_names()
    found = connection.scalar(sa.select(VERSION)) if VERSION.name in tables else None
    if found != NEWEST:
        unversioned = found is None and "jobs" in tables
        _upgrade(connection, FIRST if unversioned else found, stamp=unversioned)


def _upgrade(connection: Connection, found: str | None, *, stamp: bool) -> None:
    # Alembic takes longer to import than all the rest of the engine, and most starts do not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", __name__.replace(".migrations", ":migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SettingsError(
            f"database_url: the database is of version {found}, newer than this Skylark, which knows "
            f"versions up to {NEWEST}: start the Skylark that made it, or restore an older copy"
        )
    log.info("the queue's tables change", extra={"action": "migrate", "from": found, "to": NEWEST})
    if stamp:  # made before there were versions
        command.stamp(config, FIRST)
    command.upgrade(config, NEWEST)
