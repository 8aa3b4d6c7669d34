"""What the tables' versions promise on each database: a test module subclasses `MigrationsContract`.

The subclass gives a fixture `empty_url`: that of a database that nothing has been written to.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from servers.jobs import migrations, sql
from servers.jobs.job import Status
from servers.jobs.store import Store
from servers.settings import SettingsError
from tests.jobs.store_contract import submitted

BEFORE_VERSIONS = sa.MetaData()
JOBS_BEFORE_VERSIONS = sa.Table(
    "jobs",
    BEFORE_VERSIONS,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    *(
        sa.Column(name, sa.String, nullable=False)
        for name in ("model_type", "model", "application_id", "status")
    ),
    *(sa.Column(name, sa.Integer, nullable=False) for name in ("priority", "attempt", "token")),
    *(sa.Column(name, sa.Float, nullable=False) for name in ("created_at", "last_heartbeat")),
    *(sa.Column(name, sa.Float) for name in ("started_at", "finished_at", "progress")),
    *(sa.Column(name, sa.String) for name in ("result_path", "batch_key", "owner")),
    sa.Column("payload", sa.JSON, nullable=False),
    *(sa.Column(name, sa.JSON(none_as_null=True)) for name in ("result", "error")),
    sa.Index("jobs_by_turn", "status", "priority", "model_type", "model", "application_id", "seq"),
    sa.Index("jobs_by_end", "finished_at"),
    sqlite_autoincrement=True,
)
"""The table that `create_all` made before there were versions."""
A_JOB = {
    "id": "00000000-0000-0000-0000-000000000000",
    "model_type": "fake",
    "model": "one",
    "application_id": "book",
    "priority": 10,
    "status": "queued",
    "attempt": 1,
    "token": 1,
    "created_at": 1.0,
    "last_heartbeat": 1.0,
    "payload": {"text": "a"},
}


class MigrationsContract:
    @pytest.fixture
    def database(self, empty_url):
        engine = sa.create_engine(empty_url)
        yield engine
        engine.dispose()

    def test_the_versions_add_up_to_the_tables_that_the_code_knows(self, empty_url, database):
        Store(empty_url).close()
        with database.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), sql.metadata) == []

    def test_the_versions_make_the_indexes_that_the_code_knows_with_their_conditions(
        self, empty_url, database
    ):
        """Which `compare_metadata` does not look at."""
        Store(empty_url).close()
        with database.connect() as connection:
            made = _conditions(connection)
        with database.begin() as connection:
            sa.Table("alembic_version", sa.MetaData(), autoload_with=connection).drop(connection)
            sql.metadata.drop_all(connection)
            sql.metadata.create_all(connection)
            assert made == _conditions(connection)

    def test_a_database_from_before_there_were_versions_keeps_its_jobs(self, empty_url, database):
        with database.begin() as connection:
            BEFORE_VERSIONS.create_all(connection)
            connection.execute(sa.insert(JOBS_BEFORE_VERSIONS), A_JOB)
        store = Store(empty_url)
        (job,) = store.in_status(Status.QUEUED, 9)
        assert (job.id, job.payload, job.expires, job.deadline_at) == (A_JOB["id"], {"text": "a"}, True, None)
        assert store.claim([job.id], now=2.0)
        store.close()
        with database.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), sql.metadata) == []

    def test_a_database_of_a_newer_version_refuses_to_start_and_says_so(self, empty_url, database):
        Store(empty_url).close()
        with database.begin() as connection:
            connection.execute(sa.update(migrations.VERSION).values(version_num="0999"))
        with pytest.raises(SettingsError, match=f"version 0999, newer .* {migrations.NEWEST}"):
            Store(empty_url)

    def test_a_version_that_fails_changes_nothing(self, empty_url, database):
        with database.begin() as connection:
            BEFORE_VERSIONS.create_all(connection)
            connection.execute(sa.text("CREATE TABLE attempts (in_the_way INTEGER)"))
        with pytest.raises((sa.exc.DatabaseError, SettingsError), match="attempts"):
            Store(empty_url)
        with database.connect() as connection:
            assert "expires" not in {column["name"] for column in sa.inspect(connection).get_columns("jobs")}
            assert not sa.inspect(connection).has_table("alembic_version")

    def test_engines_that_start_at_once_do_not_mind_each_other(self, empty_url):
        with ThreadPoolExecutor(8) as pool:
            stores = list(pool.map(lambda _: Store(empty_url), range(8)))
        job = submitted(stores[0])
        assert stores[-1].get(job.id).id == job.id
        for store in stores:
            store.close()

    def test_a_second_start_finds_everything_as_it_was(self, empty_url):
        store = Store(empty_url)
        job = submitted(store)
        store.close()
        again = Store(empty_url)
        assert again.get(job.id).id == job.id
        again.close()


def _conditions(connection: sa.Connection) -> dict[str, tuple[object, ...]]:
    found = sa.inspect(connection)
    return {
        str(index["name"]): (tuple(index["column_names"]), index["unique"], _where(index))
        for table in sql.metadata.tables
        for index in found.get_indexes(table)
    }


def _where(index: sa.engine.interfaces.ReflectedIndex) -> str | None:
    options = index.get("dialect_options", {})
    return next((str(value) for name, value in options.items() if name.endswith("_where")), None)
