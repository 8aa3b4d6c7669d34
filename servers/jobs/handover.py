"""A job that has not ended, as one machine hands it to the next: all of it but its place in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from servers.jobs.job import Job
from servers.speech import Noun

FILE = "_path"
"""How the fields of a payload end that name a file to be read (servers/speech.py)."""


class HandedOver(Noun):
    """The body of POST /jobs/handover: a job that another engine has accepted. Fields as those of Job."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    model_type: str
    model: str
    application_id: str
    priority: Annotated[int, Field(ge=0)]
    created_at: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    payload: dict[str, Any]
    result_path: str | None
    attempt: Annotated[int, Field(ge=0)]
    batch_key: str | None
    owner: str | None
    idempotency_key: str | None
    deadline_at: Annotated[float, Field(allow_inf_nan=False)] | None
    expires: bool
    preemptible: bool
    time_limit_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate({name: getattr(job, name) for name in cls.model_fields})

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """What this version knows of what another has written, maybe a newer one. Raises InvalidRequest."""
        return cls.parse({name: value for name, value in record.items() if name in cls.model_fields})

    def job(self, now: float) -> Job:
        """Queued, and asked for now: nobody could ask for it meanwhile."""
        return Job(**dict(self), last_heartbeat=now)


def files_of(job: Job) -> dict[str, Path]:
    """The files that its payload names, by field."""
    named = {name: value for name, value in job.payload.items() if name.endswith(FILE)}
    return {name: Path(value) for name, value in named.items() if isinstance(value, str)}
