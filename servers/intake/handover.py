"""Work that is a job of another machine's queue: it is given to the engine of this one, which does it then.

The result of the work is that job's id, under which its client asks for it.
"""

from __future__ import annotations

import io
import json

from servers.cloud.connection import CloudFailed
from servers.errors import EngineUnavailable, SkylarkError, StorageFailed
from servers.handover.taking_in import TakingIn
from servers.intake.objects import NOT_THERE, Objects
from servers.intake.outcomes import BUSY_PAUSE_S, Back, Done, Failed, Outcome, gone, wire_error
from servers.intake.submission import takes_jobs
from servers.intake.work import Work
from servers.jobs.client import JobsClient

JSON = "application/json"


class HandedOver:
    def __init__(self, engine: JobsClient, taking_in: TakingIn, objects: Objects) -> None:
        self._engine, self._taking_in, self._objects = engine, taking_in, objects

    def is_ready(self, work: Work) -> bool:  # noqa: ARG002
        return takes_jobs(self._engine)

    def do(self, work: Work) -> Outcome:
        """Raises CloudFailed."""
        try:
            job_id = self._taking_in.take(work.body_key)
        except (EngineUnavailable, StorageFailed) as error:
            return Back(error.retry_after_s or BUSY_PAUSE_S, error.message)
        except SkylarkError as error:
            return Failed(error.http_status, wire_error(error.to_dict(), error.http_status))
        except CloudFailed as failed:
            if failed.code in NOT_THERE:
                return gone()
            raise
        told = json.dumps({"job_id": job_id}).encode()
        return self._objects.keep(work, io.BytesIO(told), Done(200, JSON, len(told)))
