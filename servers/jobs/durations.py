"""How long pieces of work took, kept over restarts: a table in the data_dir that several processes write.

    with durations.measured(INFERENCE_VOICE_DESIGN, owner) as work: ...
    durations.note(MODEL_LOAD, 4.2)

A duration that cannot be kept is logged and lost: the work itself matters more.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.errors import StorageFailed

INFERENCE_VOICE_DESIGN = "inference_voice_design"
INFERENCE_VOICE_CLONE = "inference_voice_clone"
INFERENCE_CUSTOM_VOICE = "inference_custom_voice"
PREPARE_DATA = "prepare_data"
TRAINING = "training"
MODEL_LOAD = "model_load"
S3_UPLOAD = "s3_upload"
KEPT = 10_000
"""Of the single pieces of work the newest; the averages are of all."""
BUSY_S = 1.0
"""How long whoever writes waits for another."""
TABLES = """
CREATE TABLE IF NOT EXISTS durations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, owner TEXT, job_id TEXT, seconds REAL NOT NULL,
    finished_at REAL NOT NULL, error TEXT
);
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, count INTEGER NOT NULL, seconds REAL NOT NULL);
"""
NOTE = """
INSERT INTO durations (name, owner, job_id, seconds, finished_at, error) VALUES (?, ?, ?, ?, ?, ?)
"""
COUNT = """
INSERT INTO totals VALUES (?, 1, ?)
ON CONFLICT (name) DO UPDATE SET count = count + 1, seconds = seconds + excluded.seconds
"""
FORGET = "DELETE FROM durations WHERE number <= (SELECT MAX(number) FROM durations) - ?"
HISTORY = """
SELECT name AS op_name, job_id, finished_at - seconds AS started_at, finished_at, seconds AS duration_seconds,
    CASE WHEN error IS NULL THEN 'completed' ELSE 'failed' END AS status, error
FROM durations
WHERE (owner IS NULL OR owner = :owner) AND (:job_id IS NULL OR job_id = :job_id)
    AND (:name IS NULL OR name = :name)
ORDER BY number DESC LIMIT :limit
"""
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Work:
    """What is being measured. `job_id` may be said once it is known."""

    name: str
    owner: str | None
    started_at: float
    job_id: str | None = None


class Durations:
    """Thread-safe. Times are seconds since the epoch."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._file, self._clock = data_dir / "durations.sqlite3", clock
        self._running: list[Work] = []
        self._lock = threading.Lock()

    def note(
        self,
        name: str,
        seconds: float,
        *,
        owner: str | None = None,
        job_id: str | None = None,
        error: str | None = None,
    ) -> None:
        """One that failed, with its error's code, is in the history and not in the averages."""
        row = (name, owner, job_id, seconds, self._clock(), error)
        try:
            with self._table() as table:
                table.execute(NOTE, row)
                table.execute(FORGET, (KEPT,))
                if error is None:
                    table.execute(COUNT, (name, seconds))
        except StorageFailed as failed:
            log.warning("a duration is not kept: %s", failed.message, extra={"action": "note", "what": name})

    @contextmanager
    def measured(self, name: str, owner: str | None = None) -> Iterator[Work]:
        """It is among those that run until the block ends. Whoever notes it knows how long it took."""
        work = Work(name, owner, self._clock())
        with self._lock:
            self._running.append(work)
        try:
            yield work
        finally:
            with self._lock:
                self._running.remove(work)

    def running(self, owner: str | None) -> list[dict[str, Any]]:
        """What runs in this process for that owner."""
        with self._lock:
            own = [work for work in self._running if work.owner == owner]
        now = self._clock()
        return [
            {
                "op_name": work.name,
                "job_id": work.job_id,
                "started_at": work.started_at,
                "elapsed_seconds": now - work.started_at,
            }
            for work in own
        ]

    def averages(self) -> dict[str, dict[str, float]]:
        """Of each name that has been measured, whoever it was for. Raises StorageFailed."""
        with self._table() as table:
            rows = table.execute("SELECT name, seconds / count, count FROM totals ORDER BY name").fetchall()
        return {name: {"avg_seconds": round(mean, 3), "count": count} for name, mean, count in rows}

    def history(
        self, owner: str | None, *, job_id: str | None, name: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """The newest first: the owner's, and what was for nobody alone. Raises StorageFailed."""
        asked = {"owner": owner, "job_id": job_id, "name": name, "limit": limit}
        with self._table() as table:
            table.row_factory = sqlite3.Row
            return [dict(row) for row in table.execute(HISTORY, asked)]

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        """What was done is kept where the block ends well. Raises StorageFailed."""
        try:
            with closing(sqlite3.connect(self._file, timeout=BUSY_S)) as table:
                table.execute("PRAGMA journal_mode = WAL")
                table.execute("PRAGMA synchronous = NORMAL")
                table.executescript(TABLES)
                with table:
                    yield table
        except sqlite3.Error as error:
            raise StorageFailed(f"{self._file.name} cannot be used: {error}") from None
