"""What is known of each training: `data_dir`/trainings/<id>/training.json, and what it is made of beside it.

dataset.zip     as it was sent, until it is prepared
unpacked/       its files, for as long
report.json     what was found in it
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from servers.atomic import write_atomically
from servers.datasets.report import Report
from servers.errors import JobCancelled, JobNotFound
from servers.speech import Noun
from servers.storage import storing

RECORD, ZIP, UNPACKED, REPORT = "training.json", "dataset.zip", "unpacked", "report.json"
PRIORITY = 100
"""Of every job of a training: behind whatever somebody waits for."""
ID = re.compile(r"[0-9a-f]{12}")


class Status(StrEnum):
    """queued → preparing → training → loading → ready, and from each of them failed or cancelled."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (Status.READY, Status.FAILED, Status.CANCELLED)


class Training(Noun):
    """`payload` is the engine's job's, but for its data set; times are seconds since the epoch."""

    id: str
    owner: str | None
    created_at: float
    status: Status = Status.QUEUED
    finished_at: float | None = None
    payload: dict[str, Any]
    model: str
    """Of the backend that trains."""
    align: bool
    """Whether each recording is listened to for its text."""
    dataset_s3_key: str | None = None
    resume_job_id: str | None = None
    """The training that it goes on from, as its client named it."""
    book_id: str | None = None
    chapter_id: str | None = None
    character_id: str | None = None
    job_id: str | None = None
    """The engine's."""
    checkpoint: Path | None = None
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None

    @property
    def speaker_name(self) -> str:
        return str(self.payload["speaker_name"])

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class Trainings:
    """Any process may read; only one at a time may change anything, by any of its threads."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "trainings"
        self._changing = threading.Lock()

    def home(self, training_id: str) -> Path:
        return self.folder / training_id

    def add(self, training: Training) -> None:
        """Its folder is there, with what it needs. Raises StorageFailed."""
        self._put(training)

    def change(self, training_id: str, **changes: Any) -> Training:
        """The training as it is then. Raises JobCancelled where it has ended, and StorageFailed."""
        with self._changing:
            found = self._read(training_id)
            if found is None or found.has_ended:
                raise JobCancelled("the training was cancelled")
            changed = found.model_copy(update=changes)
            self._put(changed)
        return changed

    def _put(self, training: Training) -> None:
        with storing("the state of the training"):
            content = training.model_dump_json(indent=1).encode()
            write_atomically(self.home(training.id) / RECORD, content, mode=0o600)

    def find(self, training_id: str, owner: str | None) -> Training:
        """Raises JobNotFound, also for what is somebody else's."""
        found = self._read(training_id) if ID.fullmatch(training_id) else None
        if found is None or found.owner != owner:
            raise JobNotFound(f"there is no job {training_id[:80]!r}")
        return found

    def now(self, training_id: str) -> Training | None:
        """How it is; None where it was removed."""
        return self._read(training_id)

    def all(self) -> list[Training]:
        """The oldest first."""
        found = (self._read(folder.name) for folder in self._folders())
        return sorted(
            (each for each in found if each is not None), key=lambda each: (each.created_at, each.id)
        )

    def report(self, training_id: str) -> Report | None:
        """What was found in its data set, once it was looked through."""
        try:
            return Report.model_validate_json((self.home(training_id) / REPORT).read_bytes())
        except FileNotFoundError:
            return None

    def remove(self, training_id: str) -> None:
        """Raises StorageFailed."""
        with self._changing, storing("that the training is gone"):
            (self.home(training_id) / RECORD).unlink(missing_ok=True)
            shutil.rmtree(self.home(training_id), ignore_errors=True)

    def forsaken(self, older_than: float) -> Iterator[Path]:
        """Folders without a record that were begun before that time: of what was never whole."""
        for folder in self._folders():
            if not (folder / RECORD).exists() and folder.stat().st_mtime < older_than:
                yield folder

    def _folders(self) -> Iterator[Path]:
        return (folder for folder in self.folder.glob("[!.]*") if ID.fullmatch(folder.name))

    def _read(self, training_id: str) -> Training | None:
        try:
            return Training.model_validate_json((self.home(training_id) / RECORD).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
