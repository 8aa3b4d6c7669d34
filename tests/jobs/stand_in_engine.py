"""Stand-ins for the engine: JobsClients whose jobs become what the test says. Declared as such."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servers.cloned_voices import ClonedVoices
from servers.errors import Conflict, EngineUnavailable, SkylarkError
from servers.jobs.client import JobsClient
from servers.jobs.stream_events import Accepted, AudioChunk, Ended, Position, Told, Waiting

NO_VOICES = ClonedVoices(Path("/nonexistent"), 0)
RATE_HZ = 22050
CHUNK_SAMPLES = 10_000
Outcome = dict[str, Any] | SkylarkError | None
"""A job's result, its error, or None for a job that does not end."""
Event = Accepted | Told


def speech(_payload: dict[str, Any]) -> Outcome:
    words = [{"word": "so", "start": 0.0, "end": 0.1, "score": None}]
    return {
        "status": "ok",
        "sample_rate": RATE_HZ,
        "samples": RATE_HZ,
        "duration_s": 1.0,
        "words": words,
        "finish_reason": "stop",
    }


def transcript(payload: dict[str, Any]) -> Outcome:
    text = payload.get("text", "so it is")
    words = [{"word": "so", "start": 0.0, "end": 0.1, "score": 0.9}]
    return {
        "status": "ok",
        "text": text,
        "language": "en",
        "duration_s": 1.0,
        "segments": [{"start": 0.0, "end": 1.0, "text": text, "words": words}],
        "words": words,
    } | ({"score": 0.9, "warning": None} if payload.get("task") == "align" else {})


class StandInEngine(JobsClient):
    """Each job ends as `outcome` says as soon as it is submitted. The audio of every text is `samples`."""

    def __init__(self, outcome: Callable[[dict[str, Any]], Outcome] = speech) -> None:
        self.outcome = outcome
        self.submitted: list[dict[str, Any]] = []
        self.owner: str | None = None
        self.jobs: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, dict[str, Any]] = {}
        self.cancelled: list[str] = []
        self.samples = np.arange(RATE_HZ, dtype="<i2")
        self.away_calls = 0
        self.state = "unloaded"
        self.awaited = False
        self.load_error: dict[str, Any] | None = None
        self.fault: SkylarkError | None = None
        """Why it is degraded."""

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [job["payload"] for job in self.submitted]

    def stream(
        self,
        jobs: Sequence[dict[str, Any]],
        *,
        owner: str | None = None,
        after: Sequence[Position | None] = (),
        live: bool = True,
        segments: bool = False,
    ) -> Generator[Event, None, None]:
        self._answer()
        self.submitted, self.owner = list(jobs), owner
        ids = [self._id(job) for job in jobs]
        yield Accepted(tuple(ids))
        for index, job_id in enumerate(ids):
            while self.jobs[job_id]["finished_at"] is None:
                self._answer()
                self.pass_time(1.0)
                yield Waiting()
            yield from self._audio(index, self.jobs[job_id])
            self._answer()
            yield Ended(index, self.jobs[job_id])

    def submit(
        self, jobs: Sequence[dict[str, Any]], *, owner: str | None = None, remote: bool = False
    ) -> list[str]:
        self._answer()
        self.submitted, self.owner = [*self.submitted, *jobs], owner
        return [self._id(job) for job in jobs]

    def cancel(self, job_id: str) -> None:
        self._answer()
        self.cancelled.append(job_id)

    def get(self, job_id: str, *, wait_s: float = 0.0) -> dict[str, Any]:
        self._answer()
        return self.jobs[job_id]

    def health(self, *, timeout_s: float = 2.0) -> dict[str, Any]:
        self._answer()
        fault = {} if self.fault is None else {"status": "degraded", "error": self.fault.to_dict()}
        return {
            "status": "ok",
            "loaded_model": None,
            "loaded_models": [{"type": "espeak", "name": "espeak-ng"}] if self.state == "ready" else [],
            "loading": [],
            "queue_depth": 3,
            "uptime_s": 1.0,
            "device": "cpu",
            "gpu_name": None,
        } | fault

    def models(self) -> dict[str, Any]:
        self._answer()
        names = [("espeak", "espeak-ng"), ("pocketsphinx", "en-us")]
        entry = {"state": self.state, "awaited": self.awaited, "error": self.load_error, "about": None}
        return {"models": [{"model_type": kind, "name": name} | entry for kind, name in names]}

    def pass_time(self, seconds: float) -> None:
        raise AssertionError("a job does not end, and this test has no clock")

    def _id(self, job: dict[str, Any]) -> str:
        """A new job's, or that of the job that its key stands for."""
        key = job.get("idempotency_key") or uuid.uuid4().hex
        if key in self.by_key:
            known = self.by_key[key]
            if known["payload"] != job["payload"]:
                raise Conflict(f"this key was used for job {known['id']}", param="Idempotency-Key")
            return str(known["id"])
        job_id = str(uuid.uuid4())
        self.by_key[key] = {"id": job_id, "payload": job["payload"]}
        self.jobs[job_id] = ended(job_id, self.outcome(job["payload"]))
        return job_id

    def _audio(self, index: int, job: dict[str, Any]) -> Iterator[AudioChunk]:
        samples = self.samples[: (job["result"] or {}).get("samples", 0)]
        for start in range(0, len(samples), CHUNK_SAMPLES):
            pcm = samples[start : start + CHUNK_SAMPLES].tobytes()
            yield AudioChunk(index, 1, start, RATE_HZ, pcm)

    def _answer(self) -> None:
        """Away for the next `away_calls` calls."""
        if self.away_calls > 0:
            self.away_calls -= 1
            raise EngineUnavailable("the engine cannot be reached", retry_after_s=2.0)


class ScriptedEngine(JobsClient):
    """Plays one list of events for each exchange; an error in it is raised in its place."""

    def __init__(self, *exchanges: Sequence[Event | Exception]) -> None:
        self.exchanges = list(exchanges)
        self.asked: list[tuple[list[str], list[Position | None]]] = []
        """The keys of the jobs of each exchange, and what the client had of them."""
        self.cancelled: list[str] = []

    def stream(
        self,
        jobs: Sequence[dict[str, Any]],
        *,
        owner: str | None = None,
        after: Sequence[Position | None] = (),
        live: bool = True,
        segments: bool = False,
    ) -> Generator[Event, None, None]:
        self.asked.append(([job["idempotency_key"] for job in jobs], list(after)))
        for event in self.exchanges.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)


def ended(job_id: str, outcome: Outcome) -> dict[str, Any]:
    """The job as the engine gives it."""
    job = {"id": job_id, "status": "running", "started_at": 0.25, "finished_at": None}
    job |= {"result": None, "error": None, "progress": 0.0, "progress_details": None}
    if isinstance(outcome, SkylarkError):
        return job | {"status": "failed", "finished_at": 1.0, "error": outcome.to_dict()}
    if outcome is not None:
        return job | {"status": "done", "finished_at": 1.0, "result": outcome}
    return job
