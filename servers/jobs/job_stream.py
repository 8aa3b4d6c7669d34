"""The events of one request's jobs, over as many exchanges with the engine as it takes.

An engine that is killed and started again costs a pause: the jobs that have not ended are asked for again,
with the same keys, and their audio and segments go on where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from servers.errors import EngineUnavailable, SkylarkError
from servers.jobs.client import AnswerLost, JobsClient
from servers.jobs.stream_events import Accepted, AudioChunk, Ended, Heard, Position, Told

AWAY_S = 30.0
"""How long the engine may be away for supervisord to start it again: accepted jobs outlive it."""
RETRY_S = 0.25
Job = dict[str, Any]
Event = Accepted | Told


class JobStream:
    """For one thread. `check` raises once nobody waits any more; it is called at each event."""

    def __init__(
        self,
        client: JobsClient,
        jobs: Sequence[Job],
        owner: str | None,
        live: bool,
        check: Callable[[], None],
        clock: Callable[[], float],
        pause: Callable[[float], None],
        *,
        segments: bool = False,
    ) -> None:
        self._client, self._jobs, self._owner = client, jobs, owner
        self._live, self._segments = live, segments
        self._check, self._clock, self._pause = check, clock, pause
        self._position: Position | None = None
        self._events = self._retried()
        self.job_ids: list[str] = []
        self.ended = 0
        """How many have ended: they do so in their order."""
        self.attempt = 0
        """Of which attempt that is which was told last: some of its audio, or its end."""

    def open(self) -> None:
        """Returns once the jobs are accepted. Raises what is wrong with them."""
        next(self._events, None)

    def close(self) -> None:
        """Ends the exchange; the jobs go on."""
        self._events.close()

    def __iter__(self) -> Iterator[AudioChunk | Ended]:
        """The audio and the end of each job, in order, once it is open.

        A chunk follows on the one before it, or has another attempt and starts at 0: the job was begun again.
        Raises what `check` raises, and EngineUnavailable when the engine stays away.
        """
        return (event for event in self.told() if isinstance(event, AudioChunk | Ended))

    def told(self) -> Iterator[Told]:
        """The same, the segments of transcripts where they are wanted, which follow on each other as chunks
        do, and in between that the job is waited for whose turn it is: that which comes next.
        """
        for event in self._events:
            self._check()
            if not isinstance(event, Accepted):
                yield event

    def _retried(self) -> Generator[Event, None, None]:
        """Asks again where the engine broke off, as long as there is hope."""
        away_since: float | None = None
        while True:
            exchange = self._exchange()
            try:
                for event in exchange:
                    away_since = None
                    yield event
                return
            except EngineUnavailable as error:
                now = self._clock()
                self._raise_if_hopeless(error, away_since, now)
                away_since = now if away_since is None else away_since
            finally:
                exchange.close()
            self._pause(RETRY_S)

    def _exchange(self) -> Generator[Event, None, None]:
        """One exchange about the jobs that have not ended, which begins where the last one was broken off."""
        first = self.ended
        rest = self._jobs[first:]
        after = [self._position, *[None] * (len(rest) - 1)] if self._position else ()
        wanted = {"live": self._live, "segments": self._segments}
        with closing(self._client.stream(rest, owner=self._owner, after=after, **wanted)) as events:
            for event in events:
                if isinstance(event, Accepted):
                    self._accept(event, first)
                    yield event
                elif isinstance(event, AudioChunk | Heard | Ended):
                    placed = replace(event, index=first + event.index)
                    self._note(placed)
                    yield placed
                else:
                    yield event

    def _accept(self, event: Accepted, first: int) -> None:
        known, ids = self.job_ids[first:], list(event.job_ids)
        self.job_ids[first:] = ids
        if known and ids != known:
            raise SkylarkError("the engine does not know the jobs any more that it had accepted")

    def _note(self, event: AudioChunk | Heard | Ended) -> None:
        """Raises SkylarkError for an event out of its order, and for audio or a transcript with a hole."""
        if event.index != self.ended:
            raise SkylarkError(f"the engine told of job {event.index} when it was job {self.ended}'s turn")
        self.attempt = event.attempt
        if isinstance(event, Ended):
            self._check_whole(event.job)
            self._position = None
            self.ended += 1
            return
        position = self._position
        if position is None or position.attempt != event.attempt:
            position = Position(attempt=event.attempt)
        kind = "samples" if isinstance(event, AudioChunk) else "segments"
        if event.start != getattr(position, kind):
            job_id = self.job_ids[event.index]
            raise SkylarkError(f"the {kind} of job {job_id} have a hole at {event.start}")
        self._position = position.model_copy(update={kind: event.end})

    def _check_whole(self, job: Job) -> None:
        """Raises SkylarkError for a done job whose audio did not come whole."""
        samples = self._position.samples if self._position else 0
        expected = (job["result"] or {}).get("samples", samples) if job["status"] == "done" else samples
        if samples != expected:
            raise SkylarkError(f"{samples} of {expected} samples came of job {job['id']}")

    def _raise_if_hopeless(self, error: EngineUnavailable, away_since: float | None, now: float) -> None:
        """Whether there is any use in asking again:

        1. nothing was accepted, nor can have been: no, for whoever asks can as well ask again;
        2. nobody waits any more: no;
        3. the engine was away for AWAY_S: no;
        4. else yes: an engine that ended before it answered may have accepted the jobs.
        """
        if not self.job_ids and away_since is None and not isinstance(error, AnswerLost):  # 1
            raise error
        self._check()  # 2
        if away_since is not None and now - away_since >= AWAY_S:  # 3
            raise error
