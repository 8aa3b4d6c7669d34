"""The engine's HTTP API from a client's side: every door and the command line talk to it through this.

Errors of the engine are raised as the SkylarkError that they were; an engine that does not answer is
EngineUnavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import urllib3
from urllib3 import BaseHTTPResponse

from servers.errors import DeadlineExceeded, EngineUnavailable, JobCancelled, SkylarkError
from servers.unix_http import UnixPool

POLL_S = 1.0
"""How long one long-poll lasts: the most time until a client that went away is noticed."""
RETRY_AFTER_S = 2.0
CHUNK_BYTES = 64 * 1024
OWNER_HEADER = "X-Skylark-Owner"
RATE_HEADER = "X-Sample-Rate"


class AnswerLost(EngineUnavailable):
    """The engine was reached, and may have done what it was asked to."""


@dataclass(frozen=True)
class Audio:
    """A job's audio as it is made: `chunks` are runs of little-endian int16 mono PCM."""

    sample_rate: int
    chunks: Iterator[bytes]


class JobsClient:
    """Thread-safe; one for each process."""

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        self._pool = UnixPool(path, timeout_s)

    def close(self) -> None:
        self._pool.close()

    def submit(self, jobs: Sequence[dict[str, Any]], *, owner: str | None = None) -> list[str]:
        """Accepts all of the jobs or none; returns their ids in order.

        A job is {"model_type", "model"?, "application_id"?, "priority"?, "payload", "result_path"?,
        "batch_key"?, "idempotency_key"?}. Raises AnswerLost where it may have accepted them: submitted again
        with the same keys they are the same jobs.
        """
        headers = {OWNER_HEADER: owner} if owner else {}
        if len(jobs) == 1:  # an error then names its fields as the caller does
            return [self._call("POST", "/jobs", json=jobs[0], headers=headers)["job_id"]]
        reply = self._call("POST", "/jobs/batch", json={"jobs": list(jobs)}, headers=headers)
        ids: list[str] = reply["job_ids"]
        return ids

    def get(self, job_id: str, *, wait_s: float = 0.0) -> dict[str, Any]:
        """The job; with `wait_s` as soon as it has ended, or as it is after that time."""
        return self._call("GET", f"/jobs/{job_id}", fields={"wait": f"{wait_s:g}"})

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float,
        wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> dict[str, Any]:
        """The ended job.

        Raises DeadlineExceeded after `timeout_s`, and JobCancelled once `wanted()` is false: asked at
        least every POLL_S.
        """
        deadline = clock() + timeout_s
        while wanted():
            job = self.get(job_id, wait_s=min(POLL_S, max(0.0, deadline - clock())))
            if job["finished_at"] is not None:
                return job
            if clock() >= deadline:
                raise DeadlineExceeded(f"job {job_id} did not end within {timeout_s:g} s")
        raise JobCancelled("the client went away")

    def cancel(self, job_id: str) -> None:
        """Ends the job, running or not; one that has ended stays as it is."""
        self._call("POST", f"/jobs/{job_id}/cancel")

    @contextmanager
    def audio(self, job_id: str, *, start: int = 0) -> Iterator[Audio]:
        """The job's audio from sample `start` on, while it is made and afterwards.

        Raises the job's error if it fails before its first sample; a failure after that ends the
        chunks with EngineUnavailable, and what was received can be continued with `start`.
        """
        with _engine_errors():
            response = self._pool.request(
                "GET", f"/jobs/{job_id}/audio?from={start}", timeout=None, preload_content=False
            )
        try:
            if response.status >= 400:
                _raise_error(response)
            yield Audio(int(response.headers[RATE_HEADER]), _chunks(response))
        finally:
            response.close()
            response.release_conn()

    def health(self, *, timeout_s: float = 2.0) -> dict[str, Any]:
        return self._call("GET", "/health", timeout=timeout_s)

    def queue(self) -> dict[str, Any]:
        return self._call("GET", "/queue")

    def models(self) -> dict[str, Any]:
        """{"models": [{"model_type", "name", "default", "tasks", "state", "about", "error"} …]}.

        `state` is unloaded, loading, ready or failed; `about` is a backend's About, once it was loaded.
        """
        return self._call("GET", "/models")

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        with _engine_errors():
            response = self._pool.request(method, path, **options)
        if response.status >= 400:
            _raise_error(response)
        reply: dict[str, Any] = response.json()
        return reply


def _chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    with _engine_errors():
        while chunk := response.read1(CHUNK_BYTES):
            yield chunk


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.NewConnectionError:
        raise EngineUnavailable("the engine is not there", retry_after_s=RETRY_AFTER_S) from None
    except urllib3.exceptions.TimeoutError:
        raise AnswerLost("the engine did not answer in time", retry_after_s=RETRY_AFTER_S) from None
    except urllib3.exceptions.HTTPError as error:
        raise AnswerLost(
            f"the engine broke off its answer ({type(error).__name__})", retry_after_s=RETRY_AFTER_S
        ) from None


def _raise_error(response: BaseHTTPResponse) -> NoReturn:
    try:
        wire = response.json()["error"]
    except (ValueError, KeyError):
        raise EngineUnavailable(
            f"the engine answered {response.status}", retry_after_s=RETRY_AFTER_S
        ) from None
    raise SkylarkError.from_dict(wire)
