"""A stand-in for the engine: a JobsClient whose jobs end at once, as the test says. Declared as such."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servers.errors import EngineUnavailable, SkylarkError
from servers.jobs.client import JobsClient

RATE_HZ = 22050
Outcome = dict[str, Any] | SkylarkError | None
"""A job's result, its error, or None for a job that does not end."""


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
    }


class StandInEngine(JobsClient):
    """The audio of every text is `samples`, in a file in `folder`."""

    def __init__(self, folder: Path, outcome: Callable[[dict[str, Any]], Outcome] = speech) -> None:
        self.folder, self.outcome = folder, outcome
        self.submitted: list[dict[str, Any]] = []
        self.owner: str | None = None
        self.jobs: dict[str, dict[str, Any]] = {}
        self.cancelled: list[str] = []
        self.samples = np.arange(RATE_HZ, dtype="<i2")
        self.away_calls = 0
        self.state = "unloaded"
        self.load_error: dict[str, Any] | None = None

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [job["payload"] for job in self.submitted]

    def submit(self, jobs: Sequence[dict[str, Any]], *, owner: str | None = None) -> list[str]:
        self._answer()
        self.submitted, self.owner = list(jobs), owner
        ids = [str(uuid.uuid4()) for _ in jobs]
        for job_id, job in zip(ids, jobs, strict=True):
            outcome = self.outcome(job["payload"])
            if isinstance(outcome, dict) and job["payload"].get("task") == "synthesize":
                outcome = outcome | {"pcm_path": self._pcm(job_id)}
            self.jobs[job_id] = _ended(job_id, outcome)
        return ids

    def get(self, job_id: str, *, wait_s: float = 0.0) -> dict[str, Any]:
        self._answer()
        return self.jobs[job_id]

    def cancel(self, job_id: str) -> None:
        self._answer()
        self.cancelled.append(job_id)

    def health(self, *, timeout_s: float = 2.0) -> dict[str, Any]:
        self._answer()
        return {
            "status": "ok",
            "loaded_model": None,
            "loaded_models": [{"type": "espeak", "name": "espeak-ng"}] if self.state == "ready" else [],
            "loading": [],
            "queue_depth": 3,
            "uptime_s": 1.0,
            "device": "cpu",
            "gpu_name": None,
        }

    def models(self) -> dict[str, Any]:
        self._answer()
        names = [("espeak", "espeak-ng"), ("pocketsphinx", "en-us")]
        entry = {"state": self.state, "error": self.load_error}
        return {"models": [{"model_type": kind, "name": name} | entry for kind, name in names]}

    def _pcm(self, job_id: str) -> str:
        path = self.folder / f"{job_id}.pcm"
        self.samples.tofile(path)
        return str(path)

    def _answer(self) -> None:
        """Away for the next `away_calls` calls."""
        if self.away_calls > 0:
            self.away_calls -= 1
            raise EngineUnavailable("the engine cannot be reached", retry_after_s=2.0)


def _ended(job_id: str, outcome: Outcome) -> dict[str, Any]:
    job = {"id": job_id, "status": "running", "finished_at": None, "result": None, "error": None}
    if isinstance(outcome, SkylarkError):
        return job | {"status": "failed", "finished_at": 1.0, "error": outcome.to_dict()}
    if outcome is not None:
        return job | {"status": "done", "finished_at": 1.0, "result": outcome}
    return job
