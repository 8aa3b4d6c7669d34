"""What becomes of the jobs in a runner's hands: their audio, their results, and each job's one end."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.errors import BackendFailed, JobCancelled, RunnerCrashed, SkylarkError, StorageFailed
from servers.jobs.bulletin import Bulletin
from servers.jobs.job import Job, Status
from servers.jobs.outputs import write_output
from servers.jobs.results import LiveAudio, Results
from servers.jobs.store import Store

SPEAKS = "synthesize"
TOPICS = ("ended", "audio", "events")
"""What is told of a job that ends or returns to the queue: to pollers, to listeners, to watchers."""
log = logging.getLogger(__name__)
_numbers = itertools.count(1)


@dataclass
class Run:
    """One batch in a runner's hands: `open` are the indexes of the jobs that have not ended yet."""

    task: str
    jobs: Sequence[Job]
    audio: Mapping[int, LiveAudio]
    number: int = field(default_factory=lambda: next(_numbers))
    open: set[int] = field(init=False)
    give_up_at: float | None = None
    """Once cancelled: when the runner is ended if it still works."""

    def __post_init__(self) -> None:
        self.open = set(range(len(self.jobs)))

    def index_of(self, job_id: str) -> int | None:
        return next((index for index in self.open if self.jobs[index].id == job_id), None)


class Runs:
    """Called by the engine's loop; `record` alone is called by a runner's listening thread."""

    def __init__(
        self,
        store: Store,
        results: Results,
        bulletin: Bulletin,
        max_attempts: int,
        clock: Callable[[], float],
    ) -> None:
        self.live: dict[str, LiveAudio] = {}
        """The audio of the jobs that run now, by job id."""
        self.progress: dict[str, float] = {}
        self._store, self._results, self._bulletin = store, results, bulletin
        self._max_attempts, self._clock = max_attempts, clock

    def begin(self, task: str, jobs: Sequence[Job]) -> Run:
        """Opens the books for claimed jobs."""
        audio = {i: self._results.record(job) for i, job in enumerate(jobs)} if task == SPEAKS else {}
        for index, recording in audio.items():
            self.live[jobs[index].id] = recording
        for job in jobs:
            self._bulletin.publish(("events", job.id))
        return Run(task, jobs, audio)

    def record(self, run: Run, index: int, pcm: bytes, sample_rate: int) -> None:
        """Adds a chunk to a job's audio. Raises StorageFailed, or BackendFailed for one that cannot be."""
        if index not in run.audio:
            raise BackendFailed(f"the model made audio for a job to {run.task}")
        try:
            run.audio[index].append(pcm, sample_rate)
        except OSError as error:
            raise StorageFailed(f"the audio could not be written: {error.strerror}") from error
        except ValueError as error:
            raise BackendFailed(str(error)) from error
        self._bulletin.publish(("audio", run.jobs[index].id))

    def keep(self, run: Run, index: int, result: dict[str, Any]) -> dict[str, Any]:
        """The result as it will be committed, with its audio and its file on the disk.

        Raises StorageFailed, or BackendFailed for one that cannot be.
        """
        job, audio = run.jobs[index], run.audio.get(index)
        if audio is not None and audio.samples == 0:
            raise BackendFailed("the model made no audio")
        try:
            kept = {"status": "ok"} | result | (_kept(audio) if audio else {})
            if job.result_path is not None:
                write_output(Path(job.result_path), kept)
                kept["result_path"] = job.result_path
        except OSError as error:
            raise StorageFailed(f"the result could not be written: {error.strerror}") from error
        except (RuntimeError, ValueError) as error:  # libsndfile's are RuntimeErrors
            raise BackendFailed(f"the result could not be encoded: {error}") from error
        return kept

    def result(self, run: Run, index: int, result: dict[str, Any]) -> None:
        """Commits what `keep` has kept, once."""
        job = run.jobs[index]
        self._store.finish(job, Status.DONE, self._clock(), result=result)
        self._close(run, index)

    def error(self, run: Run, index: int, error: SkylarkError) -> None:
        """Commits a job's failure."""
        self._end(run, index, Status.FAILED, error)

    def cancel(self, run: Run, index: int) -> None:
        self._end(run, index, Status.CANCELLED, JobCancelled("the job was cancelled while it ran"))

    def over(self, run: Run) -> None:
        """The runner says that the run has ended: a job that is still open was forgotten."""
        for index in sorted(run.open):
            self.error(run, index, BackendFailed("the model ended without a result"))

    def lost(self, run: Run) -> None:
        """The runner is gone: its jobs return to the queue, or fail after their last attempt."""
        for index in sorted(run.open):
            job = run.jobs[index]
            if job.attempt >= self._max_attempts:
                message = f"the runner ended during each of {job.attempt} attempts at this job"
                self.error(run, index, RunnerCrashed(message))
            else:
                error = RunnerCrashed("the runner ended during this attempt")
                self._return(run, index, count_attempt=True, error=error)

    def try_again(self, run: Run, index: int, error: SkylarkError) -> None:
        """The attempt failed, and another one may do better."""
        self._return(run, index, count_attempt=True, error=error)

    def set_progress(self, run: Run, index: int, fraction: float) -> None:
        job_id = run.jobs[index].id
        self.progress[job_id] = fraction
        self._bulletin.publish(("events", job_id))

    def hand_back(self, run: Run) -> None:
        """The engine stops: what still runs returns to the queue as if it had not been tried."""
        for index in sorted(run.open):
            self._return(run, index, count_attempt=False)

    def tell(self, job_id: str) -> None:
        """There is news of the job."""
        for topic in TOPICS:
            self._bulletin.publish((topic, job_id))

    # the store comes first: when it cannot be written, everything is as it was, and is tried again

    def _end(self, run: Run, index: int, status: Status, error: SkylarkError) -> None:
        self._store.finish(run.jobs[index], status, self._clock(), error=error)
        self._abandon(run, index)

    def _return(
        self, run: Run, index: int, *, count_attempt: bool, error: SkylarkError | None = None
    ) -> None:
        job = run.jobs[index]
        self._store.requeue(job, count_attempt=count_attempt, now=self._clock(), error=error)
        fields = {"action": "requeue", "job": job.id, "attempt": job.attempt}
        log.info("a job returns to the queue", extra=fields)
        self._abandon(run, index)

    def _abandon(self, run: Run, index: int) -> None:
        if index in run.audio:
            run.audio[index].abandon()
        self._close(run, index)

    def _close(self, run: Run, index: int) -> None:
        run.open.discard(index)
        job_id = run.jobs[index].id
        self.live.pop(job_id, None)
        self.progress.pop(job_id, None)
        self.tell(job_id)


def _kept(audio: LiveAudio) -> dict[str, Any]:
    """The audio made durable, as a result describes it."""
    audio.seal()
    return {
        "sample_rate": audio.sample_rate,
        "samples": audio.samples,
        "duration_s": audio.duration_s,
        "pcm_path": str(audio.path),
    }
