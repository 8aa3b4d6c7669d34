"""One way in for every door: what a door does for its client, whatever the client speaks.

Submit jobs, wait for them or stream their audio as it is made while the client is there, and clear up.

    with requests.submit(options, items, requester) as request:
        for index, what in request.stream(): ...        # Chunk …, then a result or an error, for each item
        for outcome in request.outcomes(): ...          # or: whole, as soon as each has ended
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from servers.backends.base import Description
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.cloned_voices import ClonedVoices
from servers.errors import DeadlineExceeded, EngineUnavailable, JobCancelled
from servers.jobs.client import JobsClient
from servers.jobs.cloning import Cloning
from servers.jobs.designing import Designing
from servers.jobs.job_stream import AWAY_S, JobStream
from servers.jobs.preferred import DECIDING, REFERENCE, Candidate, Preferred
from servers.jobs.request import Item, Request, Requester
from servers.settings import Door, Limits
from servers.speech import ModelSpec, Noun

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]

DRAIN_S = 25.0
"""How long a stopping door waits for its jobs: gunicorn's graceful_timeout less what clearing up takes."""


class QueueOptions(Noun):
    """What every request for work may say about how it is queued."""

    model: Name | None = None
    application_id: Name | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Requests:
    """One for each door. `clock` and `pause` are passed in, so that no test waits."""

    def __init__(
        self,
        client: JobsClient,
        catalog: Catalog,
        door: Door,
        limits: Limits,
        cloned_voices: ClonedVoices,
        search_path: Sequence[Path] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises UnknownModel for a model of the door's that models.yaml does not have."""
        self.client, self.catalog, self.limits = client, catalog, limits
        self.preferred, self.cloned_voices = Preferred.of(door, catalog, search_path), cloned_voices
        self.cloning = Cloning(self.preferred, catalog, search_path)
        self.designing = Designing(catalog, search_path)
        self._search_path = search_path
        self._clock, self._pause = clock, pause
        self._stop_at: float | None = None

    def stop(self) -> None:
        """From now on nobody is waited for longer than DRAIN_S. It takes no lock, for a signal calls it."""
        self._stop_at = self._clock() + DRAIN_S

    def model(
        self,
        name: str | None = None,
        payload: Mapping[str, Any] = MappingProxyType({}),
        owner: str | None = None,
    ) -> ModelSpec:
        """The model of that name, "name" or "backend/name"; where there is no name, the one of the door's own
        that takes the payload, and for a cloned voice of the owner's one that can clone.

        Of several models with one name a door's own is meant. Raises UnknownModel, and UnknownVoice.
        """
        if name is not None:
            return self.catalog.find(name, prefer=self.preferred.first.backend)
        if REFERENCE in payload or self.cloned_voices.find(owner, payload.get("voice")) is not None:
            return self.cloning.model()
        return self.preferred.choose(payload)

    def check_voice(self, model: ModelSpec, voice: str | None, owner: str | None) -> None:
        """Raises UnknownVoice where it is known that the model has no such voice, and the owner neither."""
        if self.cloned_voices.find(owner, voice) is None:
            self.preferred.check_voice(model, voice)

    def description(self, model: ModelSpec) -> Description | None:
        """What is known now of any model without loading it; None where it can only be asked."""
        return Candidate(model, backend_class(model.backend, self._search_path)).description()

    def tasks(self, model: ModelSpec) -> list[str]:
        """What the model can be asked to do."""
        return list(backend_class(model.backend, self._search_path).requests)

    def takes(self, model: ModelSpec, task: str, field: str) -> bool:
        """Whether requests of the task may have that field where this model is asked."""
        requests = backend_class(model.backend, self._search_path).requests
        return task in requests and field in requests[task].model_fields

    def submit(
        self,
        options: QueueOptions,
        items: Sequence[Item],
        requester: Requester,
        batch_key: str | None = None,
        *,
        live: bool = True,
        segments: bool = False,
        timeout_s: float | None = None,
    ) -> Request:
        """A job for each item, all accepted or none, and in the queue when this returns.

        Whoever takes the audio of a job as a whole need not have it `live`, as it is made. With `segments`
        those of transcripts are told as they are heard. `timeout_s` is for whoever makes its client wait on
        purpose; limits.request_timeout_s else.

        Raises what is wrong with them, in the request's words; an engine that is not there is
        EngineUnavailable at once. The items are then released, unless the requester's key may stand for
        jobs that were accepted before and need them.
        """
        try:
            models = self._models(options.model, items, requester.owner)
            jobs = self._jobs(models, options, items, requester, batch_key)
            check = self._checker(requester, timeout_s)
            times = self._clock, self._pause
            stream = JobStream(self.client, jobs, requester.owner, live, check, *times, segments=segments)
            request = Request(self.client, models[0], items, requester, stream)
            request.open()
        except BaseException:
            if requester.idempotency_key is None:
                for item in items:
                    item.release()
            raise
        return request

    def _models(self, name: str | None, items: Sequence[Item], owner: str | None) -> list[ModelSpec]:
        """One for each item; what decides is asked once for all that are alike in it."""
        alike = [tuple((key, item.payload[key]) for key in DECIDING if key in item.payload) for item in items]
        chosen = {each: self.model(name, dict(each), owner) for each in set(alike)}
        return [chosen[each] for each in alike]

    def _jobs(
        self,
        models: Sequence[ModelSpec],
        options: QueueOptions,
        items: Sequence[Item],
        requester: Requester,
        batch_key: str | None,
    ) -> list[dict[str, Any]]:
        # expires: a door cancels what nobody waits for, or the client named it to ask for it again
        job = {"batch_key": batch_key, "expires": False}
        job |= options.model_dump(include={"application_id", "priority"}, exclude_none=True)
        return [
            job
            | {"model_type": model.backend, "model": model.name, "payload": item.payload}
            | {"idempotency_key": requester.job_key(index)}
            for index, (model, item) in enumerate(zip(models, items, strict=True))
        ]

    def _checker(self, requester: Requester, timeout_s: float | None) -> Callable[[], None]:
        """Raises once nobody waits for a request that begins now."""
        timeout_s = self.limits.request_timeout_s if timeout_s is None else timeout_s
        deadline = self._clock() + timeout_s

        def check() -> None:
            if self._stop_at is not None and self._clock() >= self._stop_at:
                raise EngineUnavailable("the server is stopping", retry_after_s=AWAY_S)
            if not requester.connected():
                raise JobCancelled("the client went away")
            if self._clock() >= deadline:
                raise DeadlineExceeded(f"the request was not done within {timeout_s:g} s")

        return check
