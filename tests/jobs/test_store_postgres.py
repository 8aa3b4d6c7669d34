"""The queue in PostgreSQL: skipped where its programs are not installed."""

from __future__ import annotations

import re
import sys

import psycopg
import pytest

from servers.jobs.store import Store
from servers.settings import SettingsError
from tests.jobs.concurrency_contract import ConcurrencyContract
from tests.jobs.migrations_contract import MigrationsContract
from tests.jobs.private_postgres import Missing, private_postgres
from tests.jobs.store_contract import StoreContract, submitted


@pytest.fixture(scope="module")
def postgres():
    """One server for all the tests of this session: they are all in this file."""
    try:
        with private_postgres() as server:
            yield server
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def made(postgres):
    """A database with the queue's tables: to empty one is quicker than to make one for each test."""
    url = postgres.new_database()
    Store(url).close()
    return url


class TestPostgres(StoreContract, ConcurrencyContract, MigrationsContract):
    @pytest.fixture
    def empty_url(self, postgres):
        return postgres.new_database()

    @pytest.fixture
    def url(self, made):
        yield made
        with psycopg.connect(made.replace("+psycopg", "")) as connection:
            connection.execute("TRUNCATE jobs, attempts RESTART IDENTITY")


def test_a_plain_url_of_postgresql_will_do(postgres):
    Store(postgres.new_database().replace("+psycopg", "")).close()


def test_a_queue_outlives_its_connections(postgres):
    store = Store(postgres.new_database())
    job = submitted(store)
    with store._database.read() as connection:
        connection.exec_driver_sql("select 1")
        connection.invalidate()
    assert store.get(job.id).id == job.id
    store.close()


def test_a_queue_whose_connection_was_lost_is_held_again_unless_another_has_it(postgres):
    url = postgres.new_database()
    first, second = Store(url), Store(url)
    assert first.hold()
    postgres.end_connections(url)
    assert first.hold()
    assert not second.hold()
    postgres.end_connections(url)
    assert second.hold()
    assert not first.hold()
    first.close()
    second.close()


def test_a_server_that_cannot_be_reached_is_named_without_the_password(tmp_path):
    with pytest.raises(SettingsError, match=re.escape("queue:***@")) as refusal:
        Store(f"postgresql://queue:secret@/queue?host={tmp_path}")
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_without_the_extra_the_refusal_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=re.escape("uv pip install -e '.[postgres]'")):
        Store("postgresql://host/queue")
