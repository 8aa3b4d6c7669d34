"""Job, Status and the legal transitions; Attempt, what became of each run of a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """queued → running → done | failed | cancelled | expired; running → queued when its runner is lost."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED, Status.EXPIRED}),
    Status.RUNNING: frozenset({Status.DONE, Status.FAILED, Status.CANCELLED, Status.QUEUED}),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
}


@dataclass(frozen=True)
class Job:
    """One durable request for GPU work. Times are seconds since the epoch."""

    id: str
    """A UUID."""
    model_type: str
    """The backend's name."""
    model: str
    """The model's name; the backend's default is filled in when the job is accepted."""
    application_id: str = "default"
    priority: int = 10
    """0 is urgent; higher numbers wait longer."""
    status: Status = Status.QUEUED
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    last_heartbeat: float = 0.0
    payload: dict[str, Any] = field(default_factory=dict)
    result_path: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    """SkylarkError.to_dict()."""
    progress: float | None = None
    """A fraction in 0…1, None while it is not known."""
    progress_details: dict[str, Any] | None = None
    """What a running job's model says of that besides; it is not kept."""
    attempt: int = 0
    """Runs begun so far."""
    batch_key: str | None = None
    """Queued jobs for one model with the same key may be given to it together."""
    owner: str | None = None
    """The id of the API key that made it; never on the wire."""
    seq: int = 0
    """The order of acceptance; never on the wire."""
    token: int = 0
    """Rises with each claim: only the newest claim may commit. Never on the wire."""
    idempotency_key: str | None = None
    """A submit of the same owner with the same key gives this job again; never on the wire."""
    deadline_at: float | None = None
    """A job that is still queued then expires; None is no deadline."""
    expires: bool = True
    """Whether it expires when nobody has polled it for a while; false: it waits as long as it takes."""
    preemptible: bool = False
    """Whether it can stop at a step, be saved, and go on later; never on the wire."""
    time_limit_s: float | None = None
    """How long an attempt at it may compute; None is as long as it takes."""

    def to_dict(self) -> dict[str, Any]:
        """The wire form, in seed 000's words."""
        wire = {name: value for name, value in vars(self).items() if name not in NOT_ON_THE_WIRE}
        return wire | {"status": self.status.value}


NOT_ON_THE_WIRE = frozenset({"owner", "seq", "token", "idempotency_key", "preemptible"})


class Outcome(StrEnum):
    """How an attempt ended: as its job did, or back to the queue."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its runner or the engine ended; the attempt counts."""
    RETURNED = "returned"
    """Given back untried; the attempt does not count."""


@dataclass(frozen=True)
class Attempt:
    """One claim of a job. Times are seconds since the epoch."""

    job_id: str
    attempt: int
    """From 1; a number comes again after an attempt that did not count."""
    token: int
    started_at: float
    ended_at: float | None = None
    """None while it runs, as `outcome`."""
    outcome: Outcome | None = None
    error: dict[str, Any] | None = None
    """SkylarkError.to_dict()."""
