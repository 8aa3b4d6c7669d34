"""What has not ended of a queue is copied out, and forgotten here: whoever has it then is one.

What is queued is copied while the engine ends, for it claims nothing any more; what it hands back, later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from servers.cloud.connection import CONNECTIONS, CloudFailed
from servers.cloud.table import WAITING, Table
from servers.handover.bucket import PREFIX, Bucket
from servers.jobs.handover import HandedOver, files_of
from servers.jobs.job import Job, Status
from servers.jobs.saves import Saves
from servers.jobs.store import Store

EVERY = 1_000_000
log = logging.getLogger(__name__)


class CopyingOut:
    """`has_time` says whether there is any left: what was not begun by then is counted, and logged.

    Its methods raise StorageFailed.
    """

    def __init__(
        self,
        store: Store,
        saves: Saves,
        table: Table,
        bucket: Bucket,
        has_time: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store, self._saves, self._table, self._bucket = store, saves, table, bucket
        self._has_time = has_time
        self.copied: set[str] = set()
        self.not_copied: set[str] = set()
        self._counting = threading.Lock()

    def copy_queued(self) -> None:
        self._copy_all(self._store.in_status(Status.QUEUED, EVERY))

    def copy_rest(self) -> None:
        """All that has not ended, but for what was copied."""
        self._copy_all(job for job in unfinished(self._store) if job.id not in self.copied)

    def let_go(self) -> None:
        """Of what was copied, this queue does nothing more. Only for whoever holds the queue. What has ended
        here after all is nobody's to do: the copy is taken away.
        """
        for job_id in sorted(self.copied):
            if not self._store.hand_over(job_id):
                self._withdraw(job_id)
        log.info("%d jobs were copied out", len(self.copied), extra={"action": "copied_out"})
        if self.not_copied:
            fields = {"action": "left_behind", "jobs": len(self.not_copied)}
            log.error("%d jobs were not copied out", len(self.not_copied), extra=fields)

    def _copy_all(self, jobs: Iterable[Job]) -> None:
        """The most urgent first, several at once; one that cannot be copied does not keep the others."""
        urgent = sorted(jobs, key=lambda job: (job.priority, job.seq))
        with ThreadPoolExecutor(CONNECTIONS, "copy") as threads:
            list(threads.map(self._try, urgent))

    def _try(self, job: Job) -> None:
        done = False
        if self._has_time():
            try:
                self._copy(job)
                done = True
            except (CloudFailed, OSError) as error:
                fields = {"action": "not_copied_out", "job": job.id, "error": str(error)}
                log.error("a job could not be copied out", extra=fields)
        with self._counting:
            (self.copied if done else self.not_copied).add(job.id)
            if done:
                self.not_copied.discard(job.id)

    def _withdraw(self, job_id: str) -> None:
        self.copied.discard(job_id)
        try:
            self._table.delete(WAITING, job_id)
        except CloudFailed as error:  # it is done once more, under its old id
            fields = {"action": "not_withdrawn", "job": job_id, "error": str(error)}
            log.error("the copy of a job that has ended could not be taken away", extra=fields)

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
    """What runs by its record was left by an engine that was killed."""
    yield from store.in_status(Status.RUNNING, EVERY)
    yield from store.in_status(Status.QUEUED, EVERY)
