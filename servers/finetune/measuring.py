"""The outcomes of a request's jobs, each noted with how long its model and the bucket took."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Self

from servers.errors import SkylarkError
from servers.finetune.operations import durations
from servers.jobs.client import JobsClient
from servers.jobs.durations import S3_UPLOAD, Durations
from servers.jobs.request import Request
from servers.jobs.to_bucket import Uploaded
from servers.web.auth import current_owner
from servers.web.batch import Outcome, Outcomes
from servers.web.requester import requests

log = logging.getLogger(__name__)


class Measuring:
    """Of one kind of work for one owner. It outlives the view, which streams its reply."""

    def __init__(self, name: str, kept: Durations, client: JobsClient, owner: str | None) -> None:
        self._name, self._kept, self._client, self._owner = name, kept, client, owner

    @classmethod
    def here(cls, name: str) -> Self:
        """For the current request."""
        return cls(name, durations(), requests().client, current_owner())

    def outcomes(self, request: Request, outcomes: Outcomes) -> Outcomes:
        """The same ones."""
        with self._kept.measured(self._name, self._owner) as work, closing(outcomes):
            work.job_id = request.job_ids[0]
            for job_id, following, outcome in zip(
                request.job_ids, [*request.job_ids[1:], None], outcomes, strict=False
            ):
                self._note(job_id, outcome)
                yield outcome
                work.job_id = following

    def _note(self, job_id: str, outcome: Outcome) -> None:
        """Without the time for which the job has waited, which the engine knows."""
        try:
            job = self._client.get(job_id)
        except SkylarkError as error:  # the audio is there, and matters more
            fields = {"action": "note", "job_id": job_id, "error": error.code}
            log.warning("it is not known how long a job took", extra=fields)
            return
        about = {"owner": self._owner, "job_id": job_id}
        if job["started_at"] is not None and job["finished_at"] is not None:
            failed = (job["error"] or {}).get("code")
            self._kept.note(self._name, job["finished_at"] - job["started_at"], error=failed, **about)
        if isinstance(outcome, Uploaded):
            self._kept.note(S3_UPLOAD, outcome.upload_s, **about)
