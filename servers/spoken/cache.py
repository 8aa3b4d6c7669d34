"""Audio by what was asked for: the latest used, on the disk, for every process and after a restart.

One SQLite file holds the audio, when each was used last, and how many lookups were hits. What is wrong with
it costs a synthesis and no request: it is logged, and the answer is as if nothing were kept.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
BUSY_S = 2.0
"""For so long one process waits for another's write, which takes milliseconds."""
# The audio has a table of its own: to note that a row was used writes all of the row.
PREPARE = """
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 256;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL UNIQUE, size INTEGER NOT NULL,
    about TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS audio (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON entry BEGIN DELETE FROM audio WHERE id = old.id; END;
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
INSERT OR IGNORE INTO counts VALUES ('hits', 0), ('misses', 0);
"""
NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM entry)"
TOUCH = f"UPDATE entry SET used = {NEXT} WHERE key = ? RETURNING id, about"
AUDIO = "SELECT bytes FROM audio WHERE id = ?"
COUNT = "UPDATE counts SET count = count + 1 WHERE name = ?"
DROP = "DELETE FROM entry WHERE key = ?"
PUT = f"INSERT INTO entry (key, used, size, about) VALUES (?, {NEXT}, ?, ?)"
PUT_AUDIO = "INSERT INTO audio VALUES (?, ?)"
# Each with all that were used after it: what does not fit is as old as it, or older.
TRIM = """
DELETE FROM entry WHERE key IN (
    SELECT key FROM (SELECT key, row_number() OVER latest AS place, sum(size) OVER latest AS together
                     FROM entry WINDOW latest AS (ORDER BY used DESC))
    WHERE place > ? OR together > ?)
"""
STATS = """
SELECT (SELECT count FROM counts WHERE name = 'hits'), (SELECT count FROM counts WHERE name = 'misses'),
       count(*), coalesce(sum(size), 0) FROM entry
"""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """The bytes that were sent, and what the reply says of them."""

    audio: bytes
    about: dict[str, Any]


class SpeechCache:
    """Thread-safe; any number of processes may have the same file. It is made after a fork."""

    def __init__(self, path: Path, *, most_entries: int, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._path, self._most_entries = path, most_entries
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._tried("prepared", lambda at: at.execute(TRIM, (most_entries, most_bytes)), None)

    def get(self, key: str) -> Entry | None:
        """What was kept under the key, which is now the latest used; None is a miss."""
        return self._tried("read", lambda at: _found(at, key), None)

    def put(self, key: str, audio: bytes, about: dict[str, Any]) -> None:
        """Keeps it, and lets go of what no longer fits, the least recently used first; nothing where it alone
        is more than all that may be kept.
        """
        text = json.dumps(about)
        size = len(audio) + len(text)
        if size > self.most_bytes:
            return

        def write(at: sqlite3.Connection) -> None:
            at.execute(DROP, (key,))
            at.execute(PUT_AUDIO, (at.execute(PUT, (key, size, text)).lastrowid, audio))
            at.execute(TRIM, (self._most_entries, self.most_bytes))

        self._tried("written", write, None)

    def stats(self) -> dict[str, int] | None:
        """{"hits", "misses", "entries", "bytes"}, the first two since the file was made."""

        def read(at: sqlite3.Connection) -> dict[str, int]:
            hits, misses, entries, size = at.execute(STATS).fetchone()
            return {"hits": hits, "misses": misses, "entries": entries, "bytes": size}

        return self._tried("read", read, None)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _tried(self, done: str, use: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            with self._lock, _transaction(self._opened()) as at:
                return use(at)
        except (sqlite3.Error, OSError) as error:
            fields = {"action": "speech_cache", "path": str(self._path)}
            log.warning("the cache of speech cannot be %s: %s", done, error, extra=fields)
            return otherwise

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            made = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                made.executescript(PREPARE)
            except BaseException:
                made.close()
                raise
            self._connection = made
        return self._connection


def _found(at: sqlite3.Connection, key: str) -> Entry | None:
    row = at.execute(TOUCH, (key,)).fetchone()
    at.execute(COUNT, ("misses" if row is None else "hits",))
    if row is None:
        return None
    (audio,) = at.execute(AUDIO, (row[0],)).fetchone()
    return Entry(audio, json.loads(row[1]))


@contextmanager
def _transaction(at: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    at.execute("BEGIN IMMEDIATE")
    try:
        yield at
    except BaseException:
        at.execute("ROLLBACK")
        raise
    at.execute("COMMIT")
