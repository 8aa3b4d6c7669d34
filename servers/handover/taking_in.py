"""A job that was copied out of another machine's queue is given to the engine of this one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from servers.errors import InvalidRequest, JobNotFound
from servers.handover.bucket import Bucket
from servers.jobs.client import JobsClient
from servers.jobs.handover import HandedOver
from servers.jobs.saves import Saves
from servers.jobs.uploads import Uploads


class TakingIn:
    def __init__(self, data_dir: Path, engine: JobsClient, bucket: Bucket) -> None:
        self._uploads, self._saves, self._arriving = Uploads(data_dir), Saves(data_dir), data_dir / "arriving"
        self._engine, self._bucket = engine, bucket

    def take(self, body_key: str) -> str:
        """The id of the job that the engine has for it; a second time changes nothing.

        Raises CloudFailed, EngineUnavailable and StorageFailed, which pass; and UnknownModel, Conflict and
        InvalidRequest, which do not.
        """
        record = self._bucket.get_json(body_key)
        handed = HandedOver.from_record(record["job"])
        if self._is_here(handed.id):  # and may have saved more of its work since
            return handed.id
        payload = handed.payload | self._files(record["files"])
        self._fetch_saves(handed.id, record["saves"])
        return self._engine.hand_over(handed.model_copy(update={"payload": payload}))

    def _is_here(self, job_id: str) -> bool:
        try:
            self._engine.get(job_id)
        except JobNotFound:
            return False
        return True

    def _files(self, keys: Mapping[str, str]) -> dict[str, str]:
        """Called by what is in them: a second time they are the same files."""
        found = {}
        for field, key in keys.items():
            with tempfile.TemporaryFile() as arriving:
                self._bucket.fetch(key, arriving)
                arriving.seek(0)
                path = self._uploads.save(arriving, _suffix(key), identity=[key])
            found[field] = str(path)
        return found

    def _fetch_saves(self, job_id: str, keys: Mapping[str, str]) -> None:
        """They are where the engine looks for them only when all are there: what is of no job it removes."""
        if not keys:
            return
        self._arriving.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._arriving) as folder:
            for name, key in keys.items():
                file = Path(folder, "saves", name)
                if not file.resolve().is_relative_to(Path(folder, "saves").resolve()):
                    raise InvalidRequest(f"what job {job_id} has saved lies elsewhere: {name!r}")
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("wb") as arriving:
                    self._bucket.fetch(key, arriving)
            self._saves.discard(job_id)
            Path(folder, "saves").rename(self._saves.folder(job_id))


def _suffix(key: str) -> str:
    """For people who look into the folder; none where it is an odd one."""
    suffix = PurePosixPath(key).suffix.lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 11 else ""
