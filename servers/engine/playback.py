"""The audio of jobs, from any sample on: as it is made, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from servers.engine.desk import GLANCE_S, RETRY_AFTER_S, Caller
from servers.engine.loop import Loop
from servers.errors import Conflict, EngineUnavailable, JobCancelled, NotFound, SkylarkError
from servers.jobs.job import Job, Status
from servers.jobs.results import BYTES_PER_SAMPLE, LiveAudio

READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Sound:
    """A job's audio: `chunks` of little-endian int16 mono PCM."""

    sample_rate: int
    chunks: Iterator[bytes]


class Playback:
    """Thread-safe. `find` gives the job that a caller may see, or raises JobNotFound."""

    def __init__(self, loop: Loop, find: Callable[[str, Caller], Job]) -> None:
        self._loop, self._find = loop, find

    def play(self, job_id: str, caller: Caller, start: int, connected: Callable[[], bool]) -> Sound:
        """The job's audio from sample `start`, as soon as there is some.

        Raises Conflict for a job that makes none, and the job's own error when it has failed.
        """
        with self._loop.bulletin.subscribe(("audio", job_id)) as bell:
            while True:
                bell.clear()
                job, live = self._find(job_id, caller), self._loop.runs.live.get(job_id)
                if job.status is Status.DONE:
                    return self._recorded(job, start)
                if job.status.ended:
                    raise _failure(job)
                if live is not None and live.sample_rate is not None and live.complete is None:
                    with suppress(FileNotFoundError):  # the attempt ended in this moment: look again
                        file = live.path.open("rb")
                        return Sound(live.sample_rate, self._follow(job_id, live, file, start, connected))
                if self._loop.ended or not connected():
                    raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
                bell.wait(GLANCE_S)

    def _recorded(self, job: Job, start: int) -> Sound:
        rate = (job.result or {}).get("sample_rate")
        if rate is None:
            raise Conflict(f"job {job.id!r} makes no audio")
        try:
            return Sound(rate, _read(self._loop.results.path(job).open("rb"), start))
        except FileNotFoundError:
            raise NotFound(f"the audio of job {job.id!r} is no longer kept") from None

    def _follow(
        self, job_id: str, live: LiveAudio, file: BinaryIO, start: int, connected: Callable[[], bool]
    ) -> Iterator[bytes]:
        """What is there, then what comes; an attempt that fails breaks the stream rather than end it."""
        sent = start
        with file, self._loop.bulletin.subscribe(("audio", job_id)) as bell:
            file.seek(start * BYTES_PER_SAMPLE)
            while True:
                bell.clear()
                complete = live.complete  # before looking at the samples: the last ones come before it
                while sent < live.samples:
                    data = file.read(min(READ_BYTES, (live.samples - sent) * BYTES_PER_SAMPLE))
                    sent += len(data) // BYTES_PER_SAMPLE
                    yield data
                if complete or not connected():
                    return
                if complete is False or self._loop.ended:
                    raise EngineUnavailable("the job's attempt ended", retry_after_s=RETRY_AFTER_S)
                bell.wait(GLANCE_S)


def _failure(job: Job) -> SkylarkError:
    if job.error is None:
        return JobCancelled(f"job {job.id!r} was {job.status.value}")
    return SkylarkError.from_dict(job.error)


def _read(file: BinaryIO, start: int) -> Iterator[bytes]:
    with file:
        file.seek(start * BYTES_PER_SAMPLE)
        while data := file.read(READ_BYTES):
            yield data
