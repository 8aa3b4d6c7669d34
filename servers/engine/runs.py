"""What becomes of the jobs in a runner's hands: their audio, their results, and each job's one end."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.backends.base import SYNTHESIZE, TRANSCRIBE, Backend, ignored_fields
from servers.engine.news import News
from servers.engine.time_limits import TimeLeft
from servers.errors import (
    BackendFailed,
    InvalidRequest,
    JobCancelled,
    RunnerCrashed,
    SkylarkError,
)
from servers.jobs.job import Job, Outcome, Status
from servers.jobs.outputs import write_output
from servers.jobs.results import LiveAudio, Results
from servers.jobs.saves import Saves
from servers.jobs.store import MOST_LOST, Store
from servers.nofollow import LinkInPath
from servers.runner.wire import Asked
from servers.speech import Segment, Word
from servers.storage import storing

MOST_SEGMENTS = 5_000
"""Of one job that runs; what is heard after so many is told with its result alone."""
log = logging.getLogger(__name__)
_numbers = itertools.count(1)


@dataclass
class LiveJob:
    """A job that runs: what of it is to be had while it does."""

    claim: int
    audio: LiveAudio | None = None
    progress: float | None = None
    progress_details: dict[str, Any] | None = None
    segments: list[Segment] = field(default_factory=list)
    """Of its transcript, as they were heard: one thread appends, any number read."""


@dataclass
class Run:
    """One batch in a runner's hands: an index for each job that it was given, in their order."""

    task: str
    jobs: dict[int, Job] = field(default_factory=dict)
    """Those that are open, by index: a run that others join may see thousands come and go."""
    size: int = 0
    """How many jobs it was given so far."""
    batch_key: str | None = None
    takes_arrivals: bool = False
    """Others with the same batch key may join it while it runs."""
    joined_at: float = 0.0
    """When jobs were last given to it, in the clock of the models' times."""
    ignores: frozenset[str] = frozenset()
    """The fields of a payload that the model accepts and does not act on."""
    preemptible: bool = False
    asked: Asked = Asked.GO_ON
    """What the runner was last told about it, where it is preemptible."""
    number: int = field(default_factory=lambda: next(_numbers))
    max_batch: int = 1
    time_left: TimeLeft = field(default_factory=TimeLeft)
    give_up_at: float | None = None
    """Once it was cancelled, or told to come to a step: when the runner is ended if it has not."""

    def index_of(self, job_id: str) -> int | None:
        return next((index for index, job in self.jobs.items() if job.id == job_id), None)

    def ignored(self, job: Job) -> list[str]:
        """What the client has given in vain."""
        return sorted(name for name in self.ignores if job.payload.get(name) is not None)

    @property
    def takes_more(self) -> bool:
        return self.takes_arrivals and self.give_up_at is None


class Runs:
    """Called by the engine's loop; `record`, `heard`, `keep` and `set_progress` by a runner's thread."""

    def __init__(
        self,
        store: Store,
        results: Results,
        saves: Saves,
        news: News,
        max_attempts: int,
        clock: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self.live: dict[str, LiveJob] = {}
        """The jobs that run now, by id."""
        self._store, self._results, self._saves, self._news = store, results, saves, news
        self._max_attempts, self._clock, self._ticks = max_attempts, clock, ticks

    def begin(
        self, task: str, jobs: Sequence[Job], backend: type[Backend], *, shared: bool, max_batch: int
    ) -> Run:
        """Opens the books for claimed jobs; only where they are `shared` may others join them."""
        run = Run(
            task,
            batch_key=jobs[0].batch_key,
            takes_arrivals=shared and task in backend.takes_arrivals,
            ignores=ignored_fields(backend, task),
            preemptible=task in backend.preemptible,
            max_batch=max_batch,
        )
        self.join(run, jobs)
        return run

    def join(self, run: Run, jobs: Sequence[Job]) -> None:
        """More claimed jobs for a run, at the indexes after those that it has."""
        new = dict(enumerate(jobs, run.size))
        for index, job in new.items():
            audio = self._results.record(job) if run.task == SYNTHESIZE else None
            self.live[job.id] = LiveJob(job.token, audio)
            run.jobs[index] = job
            self._news.publish(("events", job.id))
        run.size += len(jobs)
        run.time_left.begin(new, run.max_batch, self._ticks())

    def refuse(self, jobs: Sequence[Job], error: SkylarkError) -> None:
        """Commits the failure of claimed jobs that no runner is given."""
        for job in jobs:
            self._store.finish(job, Status.FAILED, self._clock(), error=error)
            self._saves.discard(job.id)
            self._news.tell(job.id)

    def prepare(self, job_id: str) -> None:
        """Makes the folder of a preemptible job, before it is claimed. Raises StorageFailed."""
        with storing("what a job saves"):
            self._saves.folder(job_id)

    def payload(self, run: Run, job: Job) -> dict[str, Any]:
        """What the runner is given: a preemptible job with the folder that is its own."""
        if not run.preemptible:
            return job.payload
        return job.payload | {"resume_from": str(self._saves.folder(job.id))}

    def record(self, run: Run, index: int, pcm: bytes, sample_rate: int, words: Sequence[Word] = ()) -> None:
        """Adds a chunk to a job's audio. Raises StorageFailed, or BackendFailed for one that cannot be."""
        job, live = self._of(run, index)
        if job is None or live is None:
            return  # it was cancelled in this moment
        if live.audio is None:
            raise BackendFailed(f"the model made audio for a job to {run.task}")
        try:
            with storing("the audio"):
                live.audio.append(pcm, sample_rate, words)
        except ValueError as error:
            raise BackendFailed(str(error)) from error
        self._news.publish(("audio", job.id))

    def heard(self, run: Run, index: int, segment: Segment) -> None:
        """Adds to what is known of a job's transcript. Raises BackendFailed for a job that makes none."""
        job, live = self._of(run, index)
        if job is None or live is None:
            return  # it was cancelled in this moment
        if run.task != TRANSCRIBE:
            raise BackendFailed(f"the model told a segment of a transcript for a job to {run.task}")
        if len(live.segments) < MOST_SEGMENTS:
            live.segments.append(segment)
            self._news.publish(("segments", job.id))

    def keep(self, run: Run, index: int, result: dict[str, Any]) -> dict[str, Any]:
        """The result as it will be committed, with its audio and its file on the disk.

        Raises StorageFailed, InvalidRequest where a link is in the way of the file by now, or BackendFailed
        for one that cannot be.
        """
        job, live = self._of(run, index)
        if job is None or live is None:
            return result  # it was cancelled in this moment
        audio = live.audio
        if audio is not None and audio.samples == 0:
            raise BackendFailed("the model made no audio")
        try:
            with storing("the result"):
                ignored = {"ignored": run.ignored(job)}
                kept = {"status": "ok"} | result | ignored | (_kept(audio) if audio else {})
                if job.result_path is not None:
                    kept["result_path"] = _written(job.result_path, kept, audio)
        except (RuntimeError, ValueError) as error:  # libsndfile's are RuntimeErrors
            raise BackendFailed(f"the result could not be encoded: {error}") from error
        return kept

    def result(self, run: Run, index: int, result: dict[str, Any]) -> None:
        """Commits what `keep` has kept, once."""
        job = run.jobs[index]
        self._store.finish(job, Status.DONE, self._clock(), result=result)
        self._forget_save(run, index)
        self._close(run, index)

    def error(self, run: Run, index: int, error: SkylarkError) -> None:
        """Commits a job's failure."""
        self._end(run, index, Status.FAILED, error)

    def cancel(self, run: Run, index: int) -> None:
        self._end(run, index, Status.CANCELLED, JobCancelled("the job was cancelled while it ran"))

    def saved(self, run: Run, index: int) -> None:
        """The job has put down what it did, and goes on from there another time."""
        self._return(run, index, count_attempt=False)

    def lost(self, run: Run) -> None:
        """The runner is gone: its jobs return to the queue, or fail after their last attempt.

        An attempt that saved something was none in vain, and does not count, MOST_LOST times at most.
        """
        for index in sorted(run.jobs):
            job = run.jobs[index]
            if run.preemptible and self._is_forgiven(job):
                error = RunnerCrashed("the runner ended during this attempt, and something was saved")
                self._return(run, index, count_attempt=False, error=error)
            elif job.attempt >= self._max_attempts:
                message = f"the runner ended during each of {job.attempt} attempts at this job"
                self.error(run, index, RunnerCrashed(message))
            else:
                error = RunnerCrashed("the runner ended during this attempt")
                self._return(run, index, count_attempt=True, error=error)

    def _is_forgiven(self, job: Job) -> bool:
        if not self._saves.changed_since(job.id, job.started_at or 0.0):
            return False
        lost = [each for each in self._store.attempts(job.id) if each.outcome is Outcome.LOST]
        return len(lost) < MOST_LOST

    def try_again(self, run: Run, index: int, error: SkylarkError) -> None:
        """The attempt failed, and another one may do better."""
        self._return(run, index, count_attempt=True, error=error)

    def set_progress(
        self, run: Run, index: int, fraction: float, details: dict[str, Any] | None = None
    ) -> None:
        job, live = self._of(run, index)
        if job is not None and live is not None:
            live.progress, live.progress_details = fraction, details
            self._news.publish(("events", job.id))

    def _of(self, run: Run, index: int) -> tuple[Job | None, LiveJob | None]:
        """The open job of that index; neither once it has ended."""
        job = run.jobs.get(index)
        return job, self.live.get(job.id) if job is not None else None

    def hand_back(self, run: Run, since: int = 0) -> None:
        """Jobs from index `since` on return to the queue as if they had not been tried."""
        for index in sorted(index for index in run.jobs if index >= since):
            self._return(run, index, count_attempt=False)

    # the store comes first: when it cannot be written, everything is as it was, and is tried again

    def _end(self, run: Run, index: int, status: Status, error: SkylarkError) -> None:
        self._store.finish(run.jobs[index], status, self._clock(), error=error)
        self._forget_save(run, index)
        self._abandon(run, index)

    def _return(
        self, run: Run, index: int, *, count_attempt: bool, error: SkylarkError | None = None
    ) -> None:
        job = run.jobs[index]
        self._store.requeue(job, count_attempt=count_attempt, now=self._clock(), error=error)
        fields = {"action": "requeue", "job": job.id, "attempt": job.attempt}
        log.info("a job returns to the queue", extra=fields)
        self._abandon(run, index)

    def _forget_save(self, run: Run, index: int) -> None:
        if run.preemptible:
            self._saves.discard(run.jobs[index].id)

    def _abandon(self, run: Run, index: int) -> None:
        _, live = self._of(run, index)
        if live is not None and live.audio is not None:
            live.audio.abandon()
        self._close(run, index)

    def _close(self, run: Run, index: int) -> None:
        job = run.jobs.pop(index)
        run.time_left.end(index, self._ticks())
        self.live.pop(job.id, None)
        self._news.tell(job.id)


def _kept(audio: LiveAudio) -> dict[str, Any]:
    """The audio made durable, as a result describes it."""
    audio.seal()
    return {
        "sample_rate": audio.sample_rate,
        "samples": audio.samples,
        "duration_s": audio.duration_s,
    }


def _written(path: str, result: dict[str, Any], audio: LiveAudio | None) -> str:
    """The path, once the result is there. Raises InvalidRequest where it goes over a link."""
    try:
        write_output(Path(path), result, audio.path if audio else None)
    except LinkInPath as error:
        message = f"the result cannot be written: {error.strerror}"
        raise InvalidRequest(message, param="result_path") from error
    return path
