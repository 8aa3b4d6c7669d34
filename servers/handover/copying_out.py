"""What has not ended of a queue is copied out, once its engine has let go of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from servers.cloud.connection import CloudFailed
from servers.cloud.table import WAITING, Table
from servers.handover.bucket import PREFIX, Bucket
from servers.jobs.handover import HandedOver, files_of
from servers.jobs.job import Job, Status
from servers.jobs.saves import Saves
from servers.jobs.store import Store

EVERY = 1_000_000
log = logging.getLogger(__name__)


@dataclass
class Copied:
    jobs: int = 0
    not_copied: int = 0


class CopyingOut:
    def __init__(self, store: Store, saves: Saves, table: Table, bucket: Bucket) -> None:
        self._store, self._saves, self._table, self._bucket = store, saves, table, bucket

    def run(self) -> Copied:
        """One that cannot be copied is logged, and the others are. Raises StorageFailed."""
        copied = Copied()
        for job in unfinished(self._store):
            try:
                self._copy(job)
                copied.jobs += 1
            except (CloudFailed, OSError) as error:
                copied.not_copied += 1
                fields = {"action": "not_copied_out", "job": job.id, "error": str(error)}
                log.error("a job could not be copied out", extra=fields)
        log.info("%d jobs were copied out", copied.jobs, extra={"action": "copied_out"})
        return copied

    def _copy(self, job: Job) -> None:
        """The item last: what it names is there then."""
        place = f"{PREFIX}/{job.id}"
        files: dict[str, str] = {}
        for field, file in files_of(job).items():
            files[field] = f"{place}/{field}{file.suffix}"
            self._bucket.put_file(files[field], file)
        saves = dict(self._saved(job, f"{place}/saves"))
        record = {"job": HandedOver.of(job).model_dump(mode="json"), "files": files, "saves": saves}
        size = self._bucket.put_json(place, record)
        item = {
            "work": "job",
            "status": "waiting",
            "owner": job.owner,
            "priority": job.priority,
            "accepted_at": job.created_at,
            "body_key": place,
            "bytes": size,
            "job_id": job.id,
        }
        self._table.put(WAITING, job.id, {name: value for name, value in item.items() if value is not None})

    def _saved(self, job: Job, place: str) -> Iterator[tuple[str, str]]:
        """What a job that can be interrupted has saved of its work: its path there, and its key."""
        if not job.preemptible:
            return
        folder = self._saves.folder(job.id)
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            path = file.relative_to(folder).as_posix()
            self._bucket.put_file(f"{place}/{path}", file)
            yield path, f"{place}/{path}"


def unfinished(store: Store) -> Iterator[Job]:
    """The most urgent first. What runs by its record was left by an engine that was killed."""
    jobs = [*store.in_status(Status.RUNNING, EVERY), *store.in_status(Status.QUEUED, EVERY)]
    return iter(sorted(jobs, key=lambda job: (job.priority, job.seq)))
