"""The audio of jobs, from any sample on, and what was heard of transcripts: as it is made, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import BinaryIO

from servers.engine.news import News
from servers.engine.runs import LiveJob
from servers.engine.submission import Caller
from servers.errors import Conflict, EngineUnavailable, JobCancelled, NotFound, SkylarkError
from servers.jobs.job import Job, Status
from servers.jobs.results import BYTES_PER_SAMPLE, LiveAudio, Results
from servers.jobs.stream_events import (
    WAITING_EVERY_S,
    AudioChunk,
    Ended,
    Heard,
    Position,
    Waiting,
)
from servers.speech import Word

READ_BYTES = 64 * 1024
RETRY_AFTER_S = 5.0


@dataclass(frozen=True)
class Sound:
    """A job's audio: `chunks` of little-endian int16 mono PCM."""

    sample_rate: int
    chunks: Iterator[bytes]


class Playback:
    """Thread-safe. `find` gives the job that a caller may see, or raises JobNotFound."""

    def __init__(
        self, find: Callable[[str, Caller], Job], live: dict[str, LiveJob], results: Results, news: News
    ) -> None:
        self._find, self._live, self._results, self._news = find, live, results, news

    def play(self, job_id: str, caller: Caller, start: int, connected: Callable[[], bool]) -> Sound:
        """The job's audio from sample `start`, as soon as there is some.

        Raises Conflict for a job that makes none, and the job's own error when it has failed.
        """
        for _ in self._news.watch(("audio", job_id), wanted=connected):
            job, live = self._find(job_id, caller), self._live_audio(job_id)
            if job.status is Status.DONE:
                return self._recorded(job, start)
            if job.status.ended:
                raise _failure(job)
            if live is not None and live.complete is None:
                with suppress(FileNotFoundError):  # the attempt ended in this moment: look again
                    file = live.path.open("rb")
                    return Sound(live.sample_rate or 0, self._follow(job_id, live, file, start, connected))
        raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)

    def _recorded(self, job: Job, start: int) -> Sound:
        rate = (job.result or {}).get("sample_rate")
        if rate is None:
            raise Conflict(f"job {job.id!r} makes no audio")
        return Sound(rate, _read(self._open(job), start))

    def _open(self, job: Job) -> BinaryIO:
        try:
            return self._results.path(job).open("rb")
        except FileNotFoundError:
            raise NotFound(f"the audio of job {job.id!r} is no longer kept") from None

    def _follow(
        self, job_id: str, live: LiveAudio, file: BinaryIO, start: int, connected: Callable[[], bool]
    ) -> Iterator[bytes]:
        """What is there, then what comes; an attempt that fails breaks the stream rather than end it."""
        sent = start
        with file:
            file.seek(start * BYTES_PER_SAMPLE)
            for _ in self._news.watch(("audio", job_id), wanted=connected):
                complete = live.complete  # before looking at the samples: the last ones come before it
                while sent < live.samples:
                    data = file.read(min(READ_BYTES, (live.samples - sent) * BYTES_PER_SAMPLE))
                    sent += len(data) // BYTES_PER_SAMPLE
                    yield data
                if complete:
                    return
                if complete is False:
                    break
        if connected():
            raise EngineUnavailable("the job's attempt ended", retry_after_s=RETRY_AFTER_S)

    def stream(
        self, index: int, job_id: str, caller: Caller, after: Position, connected: Callable[[], bool]
    ) -> Iterator[AudioChunk | Ended | Waiting]:
        """What becomes of a job that is called `index`: its audio as it is made, at last that it has ended.

        It goes on after the position, where the job's claim is still that one, and begins anew with each
        other claim. Ends before the job has when the engine stops, or nobody is connected.
        """
        position = after
        with ExitStack() as files:
            listening: tuple[LiveAudio, BinaryIO] | None = None
            for fresh in self._news.watch(("audio", job_id), wanted=connected, every_s=WAITING_EVERY_S):
                live = self._live_audio(job_id)
                if live is not None and (listening is None or listening[0] is not live):
                    with suppress(FileNotFoundError):  # the attempt ended in this moment
                        listening = live, files.enter_context(live.path.open("rb"))
                        position = _of_claim(position, live.claim)
                is_growing = listening is not None and listening[0].complete is None
                if listening is not None:
                    for chunk in _grown(index, *listening, position):
                        position = Position(attempt=chunk.attempt, samples=chunk.end)
                        yield chunk
                if not is_growing:
                    job = self._find(job_id, caller)
                    if job.status.ended:
                        yield from self._rest(index, job, position)
                        yield Ended(index, job.to_dict(), job.token)
                        return
                if not fresh:
                    yield Waiting(self._progress(job_id))

    def ends(
        self, index: int, job_id: str, caller: Caller, _after: Position, connected: Callable[[], bool]
    ) -> Iterator[Ended | Waiting]:
        """`stream` without the audio."""
        for fresh in self._news.watch(("ended", job_id), wanted=connected, every_s=WAITING_EVERY_S):
            job = self._find(job_id, caller)
            if job.status.ended:
                yield Ended(index, job.to_dict(), job.token)
                return
            if not fresh:
                yield Waiting(self._progress(job_id))

    def heard(
        self, index: int, job_id: str, caller: Caller, after: Position, connected: Callable[[], bool]
    ) -> Iterator[Heard | Ended | Waiting]:
        """`ends`, and before it the segments of the job's transcript as they are heard: those after the
        position, where the job's claim is still that one, and all of each other claim's.

        Of a job that has ended none are told: its result has them.
        """
        position = after
        for fresh in self._news.watch(("segments", job_id), wanted=connected, every_s=WAITING_EVERY_S):
            live = self._live.get(job_id)
            if live is not None and live.segments:
                position = _of_claim(position, live.claim)
                segments = tuple(live.segments[position.segments :])
                if segments:
                    yield Heard(index, live.claim, position.segments, segments)
                    position = Position(attempt=live.claim, segments=position.segments + len(segments))
                    yield Waiting(live.progress)
            job = self._find(job_id, caller)
            if job.status.ended:
                yield Ended(index, job.to_dict(), job.token)
                return
            if not fresh:
                yield Waiting(self._progress(job_id))

    def _rest(self, index: int, job: Job, position: Position) -> Iterator[AudioChunk]:
        """What is missing of a recorded job's audio."""
        result = job.result or {}
        if job.status is not Status.DONE or "sample_rate" not in result:
            return
        rate, position = result["sample_rate"], _of_claim(position, job.token)
        words = [(round(word["end"] * rate), Word(**word)) for word in result.get("words", ())]
        for data in _read(self._open(job), position.samples):
            start, end = position.samples, position.samples + len(data) // BYTES_PER_SAMPLE
            known = tuple(word for known_at, word in words if start < known_at <= end)
            yield AudioChunk(index, job.token, start, rate, data, known)
            position = Position(attempt=job.token, samples=end)

    def _progress(self, job_id: str) -> float | None:
        live = self._live.get(job_id)
        return live.progress if live is not None else None

    def _live_audio(self, job_id: str) -> LiveAudio | None:
        """What the job has made by now, if it runs and has made anything."""
        live = self._live.get(job_id)
        audio = live.audio if live is not None else None
        return audio if audio is not None and audio.sample_rate is not None else None


def _grown(index: int, live: LiveAudio, file: BinaryIO, position: Position) -> Iterator[AudioChunk]:
    """What is there after the position."""
    end, start = live.samples, position.samples
    if start >= end:
        return
    file.seek(start * BYTES_PER_SAMPLE)
    while start < end and (data := file.read(min(READ_BYTES, (end - start) * BYTES_PER_SAMPLE))):
        until = start + len(data) // BYTES_PER_SAMPLE
        words = tuple(live.words_between(start, until)) if live.words else ()
        yield AudioChunk(index, live.claim, start, live.sample_rate or 0, data, words)
        start = until


def _of_claim(position: Position, claim: int) -> Position:
    """The position in what that claim makes: a claim is what a chunk calls an attempt."""
    return position if position.attempt == claim else Position(attempt=claim)


def _failure(job: Job) -> SkylarkError:
    if job.error is None:
        return JobCancelled(f"job {job.id!r} was {job.status.value}")
    return SkylarkError.from_dict(job.error)


def _read(file: BinaryIO, start: int) -> Iterator[bytes]:
    with file:
        file.seek(start * BYTES_PER_SAMPLE)
        while data := file.read(READ_BYTES):
            yield data
