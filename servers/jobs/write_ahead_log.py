"""SQLite's write-ahead log, which is synced beside the lock of the writers and not under it."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from servers.errors import StorageFailed

log = logging.getLogger(__name__)
PATIENCE_S = 10
"""How long one waits for others to let go of a SQLite file."""
sync = getattr(os, "fdatasync", os.fsync)  # macOS has the second only


class WriteAheadLog:
    """The file, which is kept open. For many threads at once."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._opening = threading.Lock()
        self._descriptors: list[int] = []
        """Of the logs that there were, for somebody may be syncing one still; the last is the present one."""

    def sync(self) -> None:
        """All that was committed by now is on the disk when this returns.

        A disk that refuses ends the process at once, as PostgreSQL does. The kernel reports that a page is
        lost only once, and others see the commit already: what is true of the queue the disk alone can say,
        to a process that reads it anew.
        """
        try:
            descriptor = self._opened()
        except FileNotFoundError:
            return  # there is none: SQLite has put all of it into the database, and synced that
        except OSError as error:
            raise StorageFailed(f"the queue's log cannot be opened: {error.strerror}") from error
        try:
            sync(descriptor)
        except OSError as error:
            log.critical("the queue's log is not on the disk: %s", error, extra={"action": "sync_failed"})
            os._exit(1)

    def _opened(self) -> int:
        """The descriptor of the log that there is now: with its last connection SQLite removes one."""
        assert self.file is not None
        with self._opening:
            if not self._descriptors or os.fstat(self._descriptors[-1]).st_nlink == 0:
                self._descriptors.append(os.open(self.file, os.O_RDWR))
            return self._descriptors[-1]

    def close(self) -> None:
        with self._opening:
            while self._descriptors:
                os.close(self._descriptors.pop())


def turn_on(connection: Any) -> str:
    """The mode of the journal then: "wal" where the file system can do that.

    Where another does the same at this moment, SQLite gives up at once, whatever busy_timeout says.
    """
    patient_until = time.monotonic() + PATIENCE_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= patient_until:
                raise
            time.sleep(0.01)
