"""Where the queue is kept: SQLite or PostgreSQL. The one place that knows how the two differ."""

from __future__ import annotations

import fcntl
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from servers.errors import StorageFailed
from servers.extras import how_to_install
from servers.jobs import migrations, sql
from servers.jobs.database_file import DatabaseFile
from servers.jobs.write_ahead_log import PATIENCE_S, WriteAheadLog, turn_on
from servers.settings import SettingsError

# The keys of PostgreSQL's advisory locks: any numbers that no other program uses.
ALONE, HELD = 5_259_596, 5_259_597


class Database(ABC):
    """Thread-safe. What was written is as durable as the database can make it when `write` ends, unless that
    is `durable=False`: then it is kept unless the machine stops in the next moments, and comes in order.

    `read` and `write` raise StorageFailed when the database cannot be reached, is not where it was, or its
    disk is full.
    """

    heads: ClassVar[sa.Select[Any]] = sql.HEADS
    """The statement for `Store.heads` that is quick on it."""

    def __init__(self, url: URL, **options: Any) -> None:
        self._engine = sa.create_engine(url, pool_size=16, max_overflow=48, **options)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.check()
        with _storage_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(
        self, *, alone: bool = False, durable: bool = True, seen: Callable[[], object] = lambda: None
    ) -> Iterator[Connection]:
        """A transaction, kept unless it raises; no two that are `alone` overlap, of any process.

        `seen` is called as soon as others can see it, which may be before it is on the disk.
        """
        self.check()
        with _storage_errors(), self._transaction(alone, durable, seen) as connection:
            yield connection

    @abstractmethod
    def _transaction(
        self, alone: bool, durable: bool, seen: Callable[[], object]
    ) -> AbstractContextManager[Connection]: ...

    def check(self) -> None:  # noqa: B027 - a server keeps its files itself
        """Raises StorageFailed where what is open is not what is at the URL any more."""

    @abstractmethod
    def settle(self) -> None:
        """Puts on the disk what an earlier process left unsynced, unless another one is at work on it."""

    @abstractmethod
    def hold(self) -> bool:
        """Whether this one, of all that are open, holds the database now: takes it where nobody does.

        It is let go by `close`, and when the process ends in whatever way.
        """

    def close(self) -> None:
        self._engine.dispose()


class Sqlite(Database):
    """Writes take turns at one lock: SQLite has one writer at a time, and lets others wait by polling.

    A commit goes to the write-ahead log, and the log to the disk once the lock is free for the next writer:
    many threads may wait for the disk at once, and what one syncs the others need not. SQLite itself does so
    only at a checkpoint (synchronous = NORMAL), and keeps what the disk has of the log in its order.

    The driver begins no transactions: of its own accord it leaves out those that change tables.
    """

    def __init__(self, url: URL) -> None:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        super().__init__(url, connect_args={"isolation_level": None})
        sa.event.listen(self._engine, "connect", self._configure)
        self._writing = threading.Lock()
        self._log = WriteAheadLog()
        self._lock_file = Path(f"{url.database}.lock")
        self._file = DatabaseFile(Path(str(url.database)), self._lock_file)
        self._held: int | None = None

    @contextmanager
    def _transaction(
        self,
        alone: bool,  # noqa: ARG002 - each is
        durable: bool,
        seen: Callable[[], object],
    ) -> Iterator[Connection]:
        with self._writing, self._engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
        seen()
        if durable:
            self._log.sync()

    def check(self) -> None:
        self._file.check()

    def _configure(self, connection: Any, _record: Any) -> None:
        # first: others may be opening it too
        connection.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE_S}")
        mode = turn_on(connection)
        # where a file system cannot share memory there is no log to sync, and SQLite syncs each commit
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        _, _, file = connection.execute("PRAGMA database_list").fetchone()
        self._file.opened()
        self._log.file = Path(f"{file}-wal")  # not beside a link, but beside the file that it leads to

    def settle(self) -> None:
        with self.read() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def hold(self) -> bool:
        if self._held is None:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._held = descriptor
        return True

    def close(self) -> None:
        super().close()
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self._log.close()


class Postgres(Database):
    """Writes overlap; rows that two would change are locked in one order, that of their acceptance."""

    heads = sql.HEADS_ONE_BY_ONE

    def settle(self) -> None:
        """The server has seen to that."""

    def __init__(self, url: URL) -> None:
        super().__init__(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        self._held: Connection | None = None

    @contextmanager
    def _transaction(self, alone: bool, durable: bool, seen: Callable[[], object]) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            if not durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            if alone:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ALONE)))
            yield connection
        seen()

    def hold(self) -> bool:
        """The server lets go of it when the connection is lost, and another may have it then."""
        with _storage_errors():
            if self._held is not None:
                try:
                    self._held.exec_driver_sql("SELECT 1")
                except sa.exc.OperationalError:
                    self._let_go()
            if self._held is None:
                self._held = self._taken()
        return self._held is not None

    def _taken(self) -> Connection | None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(HELD))):
            return connection
        connection.close()
        return None

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.invalidate()  # a pooled connection would keep the lock
            self._held.close()
            self._held = None

    def close(self) -> None:
        self._let_go()
        super().close()


KINDS: dict[str, type[Sqlite] | type[Postgres]] = {
    "sqlite": Sqlite,
    "postgresql": Postgres,
    "postgresql+psycopg": Postgres,
}


def open_database(url: str) -> Database:
    """The database at `sqlite:///<file>` or `postgresql://…`, its tables made or brought up to date.

    Raises SettingsError when it cannot be opened or is newer than this code.
    """
    parsed = _parse(url)
    try:
        database = KINDS[parsed.drivername](parsed)
    except ModuleNotFoundError:
        raise SettingsError(f"database_url: PostgreSQL needs more: {how_to_install('postgres')}") from None
    try:
        with database.write(alone=True) as connection:
            migrations.upgrade(connection)
        database.settle()
    except BaseException as error:
        database.close()
        if not isinstance(error, StorageFailed):
            raise
        where = parsed.render_as_string(hide_password=True)
        raise SettingsError(f"database_url: {where} cannot be opened: {error.message}") from None
    return database


def _parse(url: str) -> URL:
    known = "sqlite:///<file> or postgresql://<user>:<password>@<host>/<database>"
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:  # its message quotes the password
        raise SettingsError(f"database_url must be {known}") from None
    if parsed.drivername not in KINDS:
        raise SettingsError(f"database_url must be {known}, not {parsed.drivername}")
    if parsed.database in (None, "", ":memory:"):
        raise SettingsError(f"database_url must be {known}: the queue has to outlive its process")
    return parsed


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.DatabaseError as error:
        if type(error) not in (sa.exc.OperationalError, sa.exc.DatabaseError):
            raise  # of this code's making
        reason = str(error.orig).strip().partition("\n")[0]
        raise StorageFailed(f"the queue's database fails: {reason}") from error
