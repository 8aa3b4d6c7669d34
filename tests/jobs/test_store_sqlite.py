"""The queue in SQLite."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from servers.errors import StorageFailed
from servers.jobs import sql, write_ahead_log
from servers.jobs.job import Status
from servers.jobs.store import Store
from servers.settings import Settings, SettingsError
from tests.jobs.concurrency_contract import ConcurrencyContract
from tests.jobs.migrations_contract import MigrationsContract
from tests.jobs.store_contract import StoreContract, new_job, submitted


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A file with the queue's tables: to copy one is quicker than to make them."""
    file = tmp_path_factory.mktemp("made") / "jobs.sqlite3"
    Store(f"sqlite:///{file}").close()
    return file


class TestSqlite(StoreContract, ConcurrencyContract, MigrationsContract):
    @pytest.fixture
    def empty_url(self, tmp_path):
        return f"sqlite:///{tmp_path}/jobs.sqlite3"

    @pytest.fixture
    def url(self, empty_url, tmp_path, made):
        shutil.copy(made, tmp_path)
        return empty_url


@pytest.fixture
def synced(monkeypatch):
    """The names of the files that were synced, in their order."""
    names = []

    def sync(descriptor):
        names.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr(write_ahead_log, "sync", sync)
    return names


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to tell which file a descriptor is of")
def test_the_log_is_on_the_disk_when_a_job_is_accepted_or_has_ended_and_not_for_a_claim(tmp_path, synced):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    synced.clear()
    job = new_job()
    store.submit([job], max_queued=9, seen=lambda: synced.append("seen"))
    assert synced == ["seen", "jobs.sqlite3-wal"]
    (claimed,) = store.claim([job.id], 1.0)
    assert len(synced) == 2
    store.finish(claimed, Status.DONE, 2.0)
    assert synced[2:] == ["jobs.sqlite3-wal"]
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as other:
        assert other.execute("select id from jobs").fetchall() == [(job.id,)]
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    other.close()
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to tell which file a descriptor is of")
def test_the_log_of_a_database_that_is_reached_by_a_link_is_synced(tmp_path, synced):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "jobs.sqlite3").symlink_to(tmp_path / "elsewhere" / "queue.sqlite3")
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    synced.clear()
    submitted(store)
    assert synced == ["queue.sqlite3-wal"]
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to tell which file a descriptor is of")
def test_a_log_that_was_made_anew_is_the_one_that_is_synced(tmp_path, synced):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    submitted(store)
    store._database._engine.dispose()  # the last connection takes the log with it
    assert not (tmp_path / "jobs.sqlite3-wal").exists()
    submitted(store)
    assert synced[-1] == "jobs.sqlite3-wal"  # and not "… (deleted)"
    store.close()


def test_a_disk_that_refuses_the_log_ends_the_process_at_once(tmp_path, monkeypatch):
    class Ended(BaseException):
        pass

    def refuse(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    def end(code):
        raise Ended(code)

    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    monkeypatch.setattr(write_ahead_log, "sync", refuse)
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Ended, match="1"):
        store.submit([new_job()], max_queued=9)
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


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    yield store
    store.close()


def move(from_: Path, to: Path) -> None:
    """All that SQLite keeps of a queue."""
    to.mkdir(exist_ok=True)
    for name in ("jobs.sqlite3", "jobs.sqlite3-wal", "jobs.sqlite3-shm"):
        (from_ / name).rename(to / name)


def test_a_queue_whose_file_was_moved_takes_no_jobs_until_it_is_back(store, tmp_path):
    job = submitted(store)
    move(tmp_path, tmp_path / "elsewhere")
    for attempt in (lambda: store.submit([new_job()], max_queued=9), store.heads):
        with pytest.raises(StorageFailed, match=r"jobs\.sqlite3 was moved or removed: put it back"):
            attempt()
    assert not (tmp_path / "jobs.sqlite3").exists(), "no new queue was begun"
    move(tmp_path / "elsewhere", tmp_path)
    assert [head.id for head in store.heads()] == [job.id]
    submitted(store)


def test_a_queue_whose_file_was_replaced_takes_no_jobs(store, tmp_path, made):
    submitted(store)
    shutil.copy(made, tmp_path / "other.sqlite3")
    (tmp_path / "other.sqlite3").replace(tmp_path / "jobs.sqlite3")
    with pytest.raises(StorageFailed, match=r"another file is in the place of the queue's jobs\.sqlite3"):
        submitted(store)


def test_an_engine_does_not_start_with_a_new_queue_where_one_is_gone(store, tmp_path):
    assert store.hold()
    job = submitted(store)
    store.close()
    (tmp_path / "jobs.sqlite3").rename(tmp_path / "moved.sqlite3")
    with pytest.raises(SettingsError, match=r"jobs.sqlite3 is gone, and a queue was kept there"):
        Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    (tmp_path / "moved.sqlite3").rename(tmp_path / "jobs.sqlite3")
    again = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    assert again.get(job.id) is not None
    again.close()


def test_the_folder_of_the_file_is_made(tmp_path):
    Store(f"sqlite:///{tmp_path}/new/jobs.sqlite3").close()


def test_a_file_that_is_no_database_refuses_to_start(tmp_path):
    (tmp_path / "jobs.sqlite3").write_text("a letter to a friend, longer than a header of SQLite " * 9)
    with pytest.raises(SettingsError, match=r"database_url: .* not a database"):
        Store(f"sqlite:///{tmp_path}/jobs.sqlite3")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/queue",
        "postgresql+asyncpg://user:secret@host/queue",
        "://user:secret@host",
        "jobs.sqlite3",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_another_kind_of_database_is_refused_without_telling_the_password(url):
    with pytest.raises(SettingsError, match=r"database_url must be sqlite:.* or postgresql:") as refusal:
        Store(url)
    assert "secret" not in str(refusal.value)


def test_the_queue_is_a_file_in_data_dir_unless_the_settings_name_a_database(tmp_path):
    assert Settings(data_dir=tmp_path).queue_url == f"sqlite:///{tmp_path}/jobs.sqlite3"
    assert Settings(database_url="postgresql://host/queue").queue_url == "postgresql://host/queue"


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sql.HEADS, "jobs_by_turn"),
        (sql.COMPANIONS, "jobs_by_batch"),
        (sql.CLAIM, "sqlite_autoindex_jobs_1"),
        (sql.WITH_KEYS, "jobs_by_key"),
        (sql.EXPIRE_LATE, "jobs_by_deadline"),
        (sql.EXPIRE_UNASKED, "jobs_by_heartbeat"),
        (sql.REQUEUE_RUNNING, "jobs_running"),
        (sql.IN_STATUS[Status.QUEUED], "jobs_queued"),
        (sql.DELETE_ENDED, "jobs_by_end"),
    ],
)
def test_a_statement_that_a_long_queue_could_slow_down_uses_its_index(tmp_path, statement, index):
    store = Store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    with store._database.read() as connection:
        words = str(statement.compile(dialect=connection.dialect))
        words = re.sub(r"\(__\[POSTCOMPILE_\w+\]\)", "(?)", words)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", (None,) * words.count("?")).all()
    store.close()
    assert f"INDEX {index}" in " ".join(step.detail for step in plan)
    assert all("INDEX" in step.detail for step in plan if step.detail.startswith("SCAN jobs"))
