"""What an Idempotency-Key means: a request that was made before gives the job that it gave then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from servers.errors import Conflict
from servers.jobs.job import Job

REQUEST = ("model_type", "model", "payload", "priority", "application_id", "result_path")
"""What has to be the same for two requests to be one."""


def first_ids(new: Sequence[Job], known: Iterable[Job]) -> list[str]:
    """For each new job the id of the job that its owner's key stands for; its own where it has no key.

    `known` holds the jobs of all these keys. Raises Conflict for a key that was used for another request.
    """
    firsts = {(job.owner, job.idempotency_key): job for job in known}
    return [_first_id(job, firsts) for job in new]


def _first_id(job: Job, firsts: dict[tuple[str | None, str | None], Job]) -> str:
    if job.idempotency_key is None:
        return job.id
    first = firsts[job.owner, job.idempotency_key]
    different = [name for name in REQUEST if getattr(job, name) != getattr(first, name)]
    if different:
        raise Conflict(
            f"this key was used for job {first.id}, whose request differs in {', '.join(different)}",
            param="Idempotency-Key",
        )
    return first.id
