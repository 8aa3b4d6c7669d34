"""What a client asks for, and who asks: from the body of POST /jobs to a Job that can be queued."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator

from servers.backends.base import SYNTHESIZE, default_task, parse_payload, task_of
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.cloned_voices import ClonedVoices
from servers.engine.time_limits import time_limit_s
from servers.errors import InvalidRequest, SkylarkError
from servers.jobs.cloning import reference_of
from servers.jobs.handover import HandedOver
from servers.jobs.job import Job
from servers.jobs.named_files import anywhere, below_roots, check_kind
from servers.jobs.outputs import check_output
from servers.jobs.stream_events import Position
from servers.limits import check_count, check_texts, check_together
from servers.settings import Settings, settings
from servers.speech import Noun, is_audio

NO_NUL = r"^[^\x00]*$"  # no database keeps one in a text
LONGEST_KEY = 200
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY, pattern=NO_NUL)]
NOTHING = Position(attempt=0)
"""The position of a client that has nothing of a job's audio yet."""


class Submission(Noun):
    """The body of POST /jobs."""

    model_type: str = Field(max_length=200)
    model: str | None = Field(default=None, max_length=200)
    application_id: str = Field(default="default", min_length=1, max_length=200, pattern=NO_NUL)
    priority: int = Field(default=10, ge=0, le=1_000_000)
    payload: dict[str, Any] = Field(default_factory=dict)
    result_path: str | None = None
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds from now: a job that is still queued then expires."""
    expires: bool = True
    """Whether it also expires when nobody has polled it for heartbeat_timeout_s."""
    idempotency_key: IdempotencyKey | None = None
    """The same one again gives the first job again; POST /jobs and /jobs/batch also take it as a header."""
    batch_key: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    """Only jobs with the same one are given to the model together; "" is never with another."""

    def named(self, idempotency_key: str) -> Self:
        """The same by that name. Raises InvalidRequest for one that cannot be one."""
        return self.parse(self.model_dump() | {"idempotency_key": idempotency_key})


class Batch(Noun):
    """The body of POST /jobs/batch. How many jobs it may have is in limits.max_texts."""

    jobs: list[Submission] = Field(min_length=1)

    @field_validator("jobs", mode="before")
    @classmethod
    def _not_too_many(cls, jobs: object) -> object:
        """Before any is looked at. Raises TooLarge."""
        if isinstance(jobs, list):
            check_count(len(jobs), settings().limits, "jobs")
        return jobs


class Stream(Batch):
    """The body of POST /jobs/stream."""

    after: list[Position | None] | None = None
    """For each job what the client has already."""
    audio: bool = True
    """Whether the audio is told as it is made; else only that the jobs have ended."""
    segments: bool = False
    """Whether the segments of transcripts are told as they are heard."""

    def positions(self) -> Sequence[Position]:
        """Raises InvalidRequest unless there is one for each job."""
        if not self.after:
            return [NOTHING] * len(self.jobs)
        if len(self.after) != len(self.jobs):
            message = f"{len(self.after)} positions for {len(self.jobs)} jobs"
            raise InvalidRequest(message, param="after")
        return [position or NOTHING for position in self.after]


@dataclass(frozen=True)
class Caller:
    """Who asks: `owner` is the id of an API key, None for someone who may see every job."""

    owner: str | None = None
    remote: bool = False
    """It came over a network, and not over the Unix socket; or what came over that says so of itself."""

    def may_see(self, owner: str | None) -> bool:
        return self.owner is None or self.owner == owner


class JobFactory:
    """Makes jobs of submissions: the model is named, the payload checked. Thread-safe."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings, self._catalog = settings, catalog
        self._cloned_voices = ClonedVoices(settings.data_dir, settings.limits.max_cloned_voices)

    def jobs(self, submissions: Sequence[Submission], caller: Caller, now: float) -> list[Job]:
        """Raises as `job` does; what is wrong with one of several is named as jobs.2.payload.text."""
        jobs = [self._placed(index, submissions, caller, now) for index in range(len(submissions))]
        check_together((str(job.payload.get("text", "")) for job in jobs), self._settings.limits, "jobs")
        return jobs

    def check(self, handed: HandedOver) -> None:
        """Raises UnknownModel and InvalidRequest: the engine that had accepted the job knew other models, and
        other tasks of theirs.
        """
        model = self._catalog.resolve(handed.model_type, handed.model)
        task_of(backend_class(model.backend, self._settings.backends_path), handed.payload)

    def _placed(self, index: int, submissions: Sequence[Submission], caller: Caller, now: float) -> Job:
        try:
            return self.job(submissions[index], caller, now)
        except SkylarkError as error:
            if len(submissions) > 1 and error.param is not None:
                error.param = f"jobs.{index}.{error.param}"
            raise

    def job(self, submission: Submission, caller: Caller, now: float) -> Job:
        """Raises UnknownModel, TooLarge, or InvalidRequest naming the field at fault."""
        model = self._catalog.resolve(submission.model_type, submission.model)
        backend = backend_class(model.backend, self._settings.backends_path)
        payload = dict(submission.payload)
        result_path, named = payload.pop("result_path", None), "payload.result_path"  # as seed 000 sends it
        if submission.result_path is not None:
            result_path, named = submission.result_path, "result_path"
        check_texts(payload, self._settings.limits, "payload")
        reference = reference_of(self._cloned_voices, payload, backend, caller.owner)
        if reference:
            payload = {name: value for name, value in payload.items() if name != "voice"} | reference
        request = parse_payload(backend, payload)
        files = self._files(request, caller.remote, own=reference)
        task = payload.setdefault("task", default_task(backend))
        return Job(
            id=str(uuid.uuid4()),
            model_type=model.backend,
            model=model.name,
            application_id=submission.application_id,
            priority=submission.priority,
            created_at=now,
            last_heartbeat=now,
            payload=payload | {name: str(path) for name, path in files.items()},
            result_path=self._output(result_path, task, named),
            batch_key=None
            if task in backend.preemptible
            else _batch_key(submission, task, backend.batch_key(request)),
            owner=caller.owner,
            idempotency_key=submission.idempotency_key,
            deadline_at=None if submission.deadline_s is None else now + submission.deadline_s,
            expires=submission.expires,
            preemptible=task in backend.preemptible,
            time_limit_s=None if task in backend.preemptible else self._time_limit_s(request, files),
        )

    def _output(self, path: object, task: str, named: str) -> str | None:
        if path is None:
            return None
        if not isinstance(path, str):
            raise InvalidRequest(f"{named!r} must be a path", param=named)
        return str(check_output(path, task == SYNTHESIZE, self._settings.engine.roots(), named))

    def _files(self, request: Noun, remote: bool, own: Container[str]) -> dict[str, Path]:
        """The files that it names as they will be opened, no link being followed from now on.

        Who calls over a network may only name those under the allowed roots; the fields in `own` were not
        named by the caller.
        """
        named = {name: value for name, value in vars(request).items() if isinstance(value, Path)}
        return {
            name: self._checked_path(path, name, remote and name not in own) for name, path in named.items()
        }

    def _checked_path(self, path: Path, name: str, remote: bool) -> Path:
        param, roots = f"payload.{name}", self._settings.engine.roots()
        found = below_roots(str(path), roots, param) if remote else anywhere(path)
        check_kind(found, param, is_audio=is_audio(name))
        return found

    def _time_limit_s(self, request: Noun, files: Mapping[str, Path]) -> float:
        recordings = [path for name, path in files.items() if is_audio(name)]
        return time_limit_s(request, recordings, self._settings.limits)


def _batch_key(submission: Submission, task: str, kind: str) -> str | None:
    """Jobs with the same key are given to the model together; None where the client wants it alone."""
    return None if submission.batch_key == "" else f"{task}/{kind}/{submission.batch_key or ''}"
