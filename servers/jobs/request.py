"""The jobs of one request: who asks, what is asked, and what came of it."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Self

import numpy as np

from servers.errors import EngineUnavailable, InvalidRequest, JobCancelled, SkylarkError
from servers.jobs.client import RETRY_AFTER_S, JobsClient
from servers.jobs.job_stream import JobStream
from servers.jobs.stream_events import AudioChunk, Ended, Heard, Told, Waiting
from servers.speech import Chunk, ModelSpec, Segment
from servers.storage import storing

logger = logging.getLogger(__name__)
Result = dict[str, Any]

IDEMPOTENCY_KEY = "Idempotency-Key"
LONGEST_KEY = 200 - 8
"""The engine's limit, less what names a job of the request: "/" and its index."""


@dataclass(frozen=True)
class Item:
    """What one job is asked to do.

    `fields` says what the payload's fields are called in the client's request, where they differ.
    `release` is called at the end of the request, once no job needs what the payload names, such as a file;
    and not at all where a job may need it still.
    """

    payload: dict[str, Any]
    fields: Mapping[str, str] = field(default_factory=dict)
    release: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Requester:
    """Who asks: the id of an API key, whether they are still there, and their name for this very request.

    The same request with the same key is the same jobs: they go on when a client that gave one is lost.
    Raises InvalidRequest for a key that is empty or longer than LONGEST_KEY.
    """

    owner: str | None = None
    connected: Callable[[], bool] = lambda: True
    idempotency_key: str | None = None
    on_leave: Callable[[Callable[[], object]], None] = lambda _: None
    """Registers what is called once they go away, where that is known sooner than by asking `connected`."""

    def __post_init__(self) -> None:
        if self.idempotency_key is not None and not 1 <= len(self.idempotency_key) <= LONGEST_KEY:
            message = f"{IDEMPOTENCY_KEY} has to have from 1 to {LONGEST_KEY} characters"
            raise InvalidRequest(message, param=IDEMPOTENCY_KEY)

    def job_key(self, index: int) -> str:
        return uuid.uuid4().hex if self.idempotency_key is None else f"{self.idempotency_key}/{index}"


PCM_IN_MEMORY = 1_048_576
"""Bytes; more audio of one job is kept in a file."""


@dataclass(frozen=True)
class Done:
    """What a job that is done has made: its result, and its audio, which is empty where it makes none."""

    job_id: str
    result: Result
    pcm: IO[bytes]
    """Mono, 16 bits, little-endian, at its start; open until the next outcome is asked for."""


@dataclass(frozen=True)
class HowFar:
    """A job that has not ended: the fraction of it that is done, None while it is queued or where its model
    does not tell.
    """

    fraction: float | None


@dataclass(frozen=True)
class BegunAgain:
    """A job's audio, or its transcript, begins anew: what came of it before is void."""


class Request:
    """The jobs of one request, in the order of its items. Its end as a context clears up.

    Then the jobs that have not ended are cancelled, for nobody waits for them; those of a request with an
    idempotency key go on, for whoever named it may ask for it again.
    """

    def __init__(
        self,
        client: JobsClient,
        model: ModelSpec,
        items: Sequence[Item],
        requester: Requester,
        stream: JobStream,
    ) -> None:
        self.model = model
        self._client, self._items, self._stream = client, items, stream
        self._keyed = requester.idempotency_key is not None
        self._on_leave = requester.on_leave

    @property
    def job_ids(self) -> list[str]:
        return self._stream.job_ids

    @property
    def attempt(self) -> int:
        """Of which attempt at its job that is which was given last."""
        return self._stream.attempt

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()
        if not self._keyed:
            self.cancel()
        for item in self._items[: self._stream.ended] if self._keyed else self._items:
            item.release()

    def open(self) -> None:
        try:
            self._stream.open()
        except SkylarkError as error:
            raise self._refusal(error) from None
        if not self._keyed:
            self._on_leave(self.cancel)

    def stream(self) -> Iterator[tuple[int, Chunk | Result | SkylarkError]]:
        """For each item in order `(index, …)`: its audio as it is made, then its result or its error.

        A job that is begun again after some of its audio was passed on ends all with EngineUnavailable: what
        was heard cannot be taken back. Raises DeadlineExceeded, JobCancelled once the client has gone, and
        EngineUnavailable when this server stops or the engine stays away.
        """
        for index, made in self.attempts():
            if isinstance(made, BegunAgain):
                message = "the speech was begun again after a part of it had been sent: ask for it again"
                raise EngineUnavailable(message, retry_after_s=RETRY_AFTER_S)
            if not isinstance(made, HowFar):
                yield index, made

    def attempts(self) -> Iterator[tuple[int, Chunk | HowFar | BegunAgain | Result | SkylarkError]]:
        """The same, for whoever can take back what was passed on: it is told where a job is begun again; and
        about once a second how far the next one is.
        """
        last: AudioChunk | None = None
        for event in self._events():
            if isinstance(event, Waiting):
                yield self._stream.ended, HowFar(event.progress)
                continue
            if isinstance(event, Ended):
                last = None
                yield event.index, self._result(event)
                continue
            if isinstance(event, Heard):
                continue  # nobody asked for it
            if last is not None and last.attempt != event.attempt:
                yield event.index, BegunAgain()
            last = event
            samples = np.frombuffer(event.pcm, dtype="<i2")
            yield event.index, Chunk(samples, event.sample_rate, event.words)

    def outcomes(self) -> Generator[Done | SkylarkError, None, None]:
        """What each job has made or why it failed, in order and as soon as it has ended.

        Raises as `stream` does, and StorageFailed.
        """
        with closing(self.told()) as told:
            yield from (each for each in told if isinstance(each, Done | SkylarkError))

    def told(self) -> Generator[Done | SkylarkError | HowFar | Segment | BegunAgain, None, None]:
        """The same, and about once a second how far the next one is; where the request was submitted for them
        also the segments of a transcript as they are heard, of which its result may be the first to have the
        last ones, and where they begin anew.
        """
        attempt = heard = 0
        with SpooledTemporaryFile(PCM_IN_MEMORY) as pcm:
            for event in self._events():
                if isinstance(event, Waiting):
                    yield HowFar(event.progress)
                    continue
                if isinstance(event, Heard):
                    if heard not in (0, event.attempt):
                        yield BegunAgain()
                    heard = event.attempt
                    yield from event.segments
                    continue
                if isinstance(event, AudioChunk):
                    if attempt != event.attempt:
                        attempt = event.attempt
                        _empty(pcm)
                    with storing("the audio of a job"):
                        pcm.write(event.pcm)
                    continue
                result = self._result(event)
                pcm.seek(0)
                yield result if isinstance(result, SkylarkError) else Done(event.job["id"], result, pcm)
                _empty(pcm)
                heard = 0

    def result(self) -> Result:
        """What the only job has made. Raises why it failed, and as `stream` does."""
        (outcome,) = self.outcomes()
        if isinstance(outcome, SkylarkError):
            raise outcome
        return outcome.result

    def cancel(self) -> None:
        """Ends the jobs that have not ended: the last first, so that none starts while the running one ends.

        An engine that is away is not asked for each: what is left of the jobs then runs for nobody.
        """
        for job_id in reversed(self.job_ids[self._stream.ended :]):
            try:
                self._client.cancel(job_id)
            except SkylarkError as error:  # why the request ends matters more than this
                fields = {"action": "cancel", "job_id": job_id, "error": error.code}
                logger.warning("a job could not be cancelled", extra=fields)
                if isinstance(error, EngineUnavailable):
                    return

    def _events(self) -> Iterator[Told]:
        try:
            yield from self._stream.told()
        except SkylarkError as error:
            raise self._refusal(error) from None

    def _result(self, event: Ended) -> Result | SkylarkError:
        job = event.job
        if job["status"] == "done":
            result: Result = job["result"]
            return result
        if job["error"] is None:
            return JobCancelled(f"job {job['id']} was {job['status']}")
        return in_request_terms(SkylarkError.from_dict(job["error"]), self._items[event.index].fields)

    def _refusal(self, error: SkylarkError) -> SkylarkError:
        """What the engine says of the jobs: of one plainly, of several as jobs.2.payload.text."""
        asked = self._items[self._stream.ended :]
        several = re.fullmatch(r"jobs\.(\d+)\.(.+)", error.param or "")
        if several:
            error.param = several[2]
            return in_request_terms(error, asked[int(several[1])].fields)
        return in_request_terms(error, asked[0].fields if len(asked) == 1 else {})


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


OTHERWISE_CALLED = {
    "task": "model",  # the endpoint is the task: what the client can change is the model that was to do it
    "reference_audio_path": "voice",  # and by naming a cloned voice it named the clip
    "reference_text": "voice",
}


def in_request_terms(error: SkylarkError, fields: Mapping[str, str]) -> SkylarkError:
    """The same error, its `param` in the request's words: a job's payload is the door's affair."""
    if error.param is not None:
        name = error.param.removeprefix("payload.")
        error.param = (OTHERWISE_CALLED | dict(fields)).get(name, name)
    return error
