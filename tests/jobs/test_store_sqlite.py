"""The queue in SQLite."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from servers.errors import StorageFailed
from servers.jobs.store import Store
from servers.settings import SettingsError
from tests.jobs.migrations_contract import MigrationsContract
from tests.jobs.store_contract import StoreContract, new_job, submitted


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A file with the queue's tables: to copy one is quicker than to make them."""
    file = tmp_path_factory.mktemp("made") / "jobs.sqlite3"
    Store(f"sqlite:///{file}").close()
    return file


class TestSqlite(StoreContract, MigrationsContract):
    @pytest.fixture
    def empty_url(self, tmp_path):
        return f"sqlite:///{tmp_path}/jobs.sqlite3"

    @pytest.fixture
    def url(self, empty_url, tmp_path, made):
        shutil.copy(made, tmp_path)
        return empty_url


def test_a_job_is_on_the_disk_when_submit_returns(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    job = submitted(store)
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as other:
        assert other.execute("select id from jobs").fetchall() == [(job.id,)]
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    other.close()
    with store._database.read() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2
    store.close()


def test_a_full_disk_is_a_typed_error_and_changes_nothing(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    job = submitted(store)
    with store._database.read() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar()
        connection.exec_driver_sql(f"pragma max_page_count = {pages}")
    with pytest.raises(StorageFailed, match="disk is full"):
        store.submit([new_job(payload={"text": "x" * 1_000_000})], max_queued=9)
    assert [head.id for head in store.heads()] == [job.id]
    store.close()


def test_the_folder_of_the_file_is_made(tmp_path):
    Store(f"sqlite:///{tmp_path}/new/jobs.sqlite3").close()


def test_a_file_that_is_no_database_refuses_to_start(tmp_path):
    (tmp_path / "jobs.sqlite3").write_text("a letter to a friend, longer than a header of SQLite " * 9)
    with pytest.raises(SettingsError, match=r"database_url: .* not a database"):
        Store(f"sqlite:///{tmp_path}/jobs.sqlite3")


@pytest.mark.parametrize("url", ["mysql://user:secret@host/queue", "jobs.sqlite3", "://user:secret@host"])
def test_another_kind_of_database_is_refused_without_telling_the_password(url):
    with pytest.raises(SettingsError, match=r"database_url must be sqlite:.* or postgresql:") as refusal:
        Store(url)
    assert "secret" not in str(refusal.value)
