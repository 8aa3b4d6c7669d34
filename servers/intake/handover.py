"""Work that is a job of another machine's queue: it is given to the engine of this one, which does it then.

With that the work has ended, and the job is asked for under its own id. No result of it is in the bucket: the
same job may come from a machine once more, and the next engine is to have it then.
"""

from __future__ import annotations

from servers.cloud.connection import CloudFailed
from servers.errors import EngineUnavailable, SkylarkError, StorageFailed
from servers.handover.taking_in import TakingIn
from servers.intake.objects import NOT_THERE
from servers.intake.outcomes import BUSY_PAUSE_S, Back, Failed, Moved, Outcome, gone, wire_error
from servers.intake.submission import ENGINE, takes_jobs
from servers.intake.work import Work
from servers.jobs.client import JobsClient


class HandedOver:
    def __init__(self, engine: JobsClient, taking_in: TakingIn) -> None:
        self._engine, self._taking_in = engine, taking_in

    def asked(self, work: Work) -> str:  # noqa: ARG002
        return ENGINE

    def is_ready(self, work: Work) -> bool:  # noqa: ARG002
        return takes_jobs(self._engine)

    def do(self, work: Work) -> Outcome:
        """Raises CloudFailed."""
        try:
            return Moved(self._taking_in.take(work.body_key))
        except (EngineUnavailable, StorageFailed) as error:
            return Back(error.retry_after_s or BUSY_PAUSE_S, error.message)
        except SkylarkError as error:
            return Failed(error.http_status, wire_error(error.to_dict(), error.http_status))
        except CloudFailed as failed:
            if failed.code in NOT_THERE:
                return gone()
            raise
