"""The engine's HTTP API from a client's side: every door and the command line talk to it through this.

Errors of the engine are raised as the SkylarkError that they were; an engine that does not answer is
EngineUnavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import urllib3
from urllib3 import BaseHTTPResponse

from servers.errors import DeadlineExceeded, EngineUnavailable, JobCancelled, SkylarkError
from servers.jobs.handover import HandedOver
from servers.jobs.results import recording
from servers.jobs.stream_events import (
    WAITING_EVERY_S,
    Accepted,
    AudioChunk,
    Broken,
    Ended,
    Position,
    Told,
    from_line,
)
from servers.unix_http import UnixPool

POLL_S = 1.0
"""How long one long-poll lasts: the most time until a client that went away is noticed."""
RETRY_AFTER_S = 2.0
STREAM_SILENCE_S = WAITING_EVERY_S + 4.0
"""A stream that is silent for longer has lost its engine."""
LOAD_S = 330.0
"""A little over engine.load_timeout_s, so that its answer is what is heard."""
CHUNK_BYTES = 64 * 1024
OWNER_HEADER = "X-Skylark-Owner"
REMOTE_HEADER = "X-Skylark-Remote"
"""Says on the Unix socket that the jobs are of somebody on a network: of this machine's files they may name
those below engine.file_roots alone.
"""
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

    def __init__(
        self,
        path: Path,
        *,
        data_dir: Path | None = None,
        timeout_s: float = 30.0,
        stream_silence_s: float = STREAM_SILENCE_S,
    ) -> None:
        """`data_dir` is the engine's, where it is on this machine: recordings are read from there then."""
        self._data_dir = data_dir
        self._pool = UnixPool(path, timeout_s)
        self._stream_timeout = urllib3.Timeout(connect=timeout_s, read=stream_silence_s)

    def close(self) -> None:
        self._pool.close()

    def submit(
        self, jobs: Sequence[dict[str, Any]], *, owner: str | None = None, remote: bool = False
    ) -> list[str]:
        """Accepts all of the jobs or none; returns their ids in order. `remote` jobs are of a client on a
        network, and may name only the files that such a client may.

        A job is {"model_type", "model"?, "application_id"?, "priority"?, "payload", "result_path"?,
        "batch_key"?, "idempotency_key"?}. Raises AnswerLost where it may have accepted them: submitted again
        with the same keys they are the same jobs.
        """
        headers = _for_owner(owner) | ({REMOTE_HEADER: "1"} if remote else {})
        if len(jobs) == 1:  # an error then names its fields as the caller does
            return [self._call("POST", "/jobs", json=jobs[0], headers=headers)["job_id"]]
        reply = self._call("POST", "/jobs/batch", json={"jobs": list(jobs)}, headers=headers)
        ids: list[str] = reply["job_ids"]
        return ids

    def hand_over(self, handed: HandedOver) -> str:
        """Gives the engine a job that another one has accepted; a second time changes nothing. Returns the id
        of the job that the engine has for it: an earlier one of the same request, where that has its key.
        """
        reply = self._call("POST", "/jobs/handover", json=handed.model_dump(mode="json"))
        return str(reply["job_id"])

    def stream(
        self,
        jobs: Sequence[dict[str, Any]],
        *,
        owner: str | None = None,
        after: Sequence[Position | None] = (),
        live: bool = True,
        segments: bool = False,
    ) -> Generator[Accepted | Told, None, None]:
        """Accepts all of the jobs or none, as `submit` does, and tells what becomes of them until all ended.

        Their audio is told as it is made, or where it need not be `live` all at once before each job's end;
        with `segments`, those of transcripts as they are heard. With `after`, one for each job, what somebody
        has of either is not told again. What is wrong with
        the jobs is raised before the first event. AnswerLost is raised where the engine breaks off or falls
        silent: streamed again with the same keys they are the same jobs. Closing it ends none of them.
        """
        body: dict[str, Any] = {"jobs": list(jobs), "audio": live}
        if segments:
            body["segments"] = True
        if after:
            body["after"] = [position and position.model_dump(exclude_defaults=True) for position in after]
        with _engine_errors():
            response = self._pool.request(
                "POST",
                "/jobs/stream",
                json=body,
                headers=_for_owner(owner),
                timeout=self._stream_timeout,
                preload_content=False,
            )
            try:
                if response.status >= 400:
                    _raise_error(response)
                for event in _events(response, len(jobs)):
                    if isinstance(event, Ended) and not live:
                        yield from self._recorded(event)
                    yield event
            finally:
                response.close()
                response.release_conn()

    def _recorded(self, ended: Ended) -> Iterator[AudioChunk]:
        """All audio of a job that is done, if it makes any."""
        rate = (ended.job["result"] or {}).get("sample_rate")
        if ended.job["status"] == "done" and rate is not None:
            pcm = self._recording(ended.job["id"], ended.attempt)
            yield AudioChunk(ended.index, ended.attempt, 0, rate, pcm)

    def _recording(self, job_id: str, claim: int) -> bytes:
        """From the file, where the engine's folder is at hand: it need not pass two processes then."""
        if self._data_dir is not None:
            with suppress(FileNotFoundError):
                return recording(self._data_dir, job_id, claim).read_bytes()
        with self.audio(job_id) as audio:
            return b"".join(audio.chunks)

    def get(self, job_id: str, *, wait_s: float = 0.0) -> dict[str, Any]:
        """The job; with `wait_s` as soon as it has ended, or as it is after that time."""
        return self._call("GET", f"/jobs/{job_id}", fields={"wait": f"{wait_s:g}"})

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float,
        wanted: Callable[[], bool] = lambda: True,
        seen: Callable[[dict[str, Any]], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> dict[str, Any]:
        """The ended job; `seen` is shown how it is meanwhile.

        Raises DeadlineExceeded after `timeout_s`, and JobCancelled once `wanted()` is false: asked at
        least every POLL_S.
        """
        deadline = clock() + timeout_s
        while wanted():
            job = self.get(job_id, wait_s=min(POLL_S, max(0.0, deadline - clock())))
            if job["finished_at"] is not None:
                return job
            seen(job)
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

    def activity(self) -> dict[str, Any]:
        """{"queued", "running", "training", "loading",
        "ended": [{"finished_at", "seconds", "audio_s"} …]}.
        """
        return self._call("GET", "/activity")

    def metrics(self) -> str:
        """What the engine counts of its requests, in Prometheus' text."""
        with _engine_errors():
            response = self._pool.request("GET", "/metrics")
        if response.status >= 400:
            _raise_error(response)
        return response.data.decode()

    def models(self) -> dict[str, Any]:
        """{"models": [{"model_type", "name", "default", "tasks", "state", "held_s", "about", "error"} …]}.

        `state` is unloaded, loading, ready or failed; `about` is a backend's About, once it was loaded.
        """
        return self._call("GET", "/models")

    def load_model(self, name: str, *, timeout_s: float = LOAD_S) -> dict[str, Any]:
        """The model called "name" or "backend/name", as `models` has it, once it is ready or has failed."""
        return self._call("POST", f"/models/{quote(name)}/load", timeout=timeout_s)

    def unload_model(self, name: str, *, timeout_s: float = LOAD_S) -> dict[str, Any]:
        """The model once its memory is free. Raises Conflict while it has work in hand, or is held."""
        return self._call("POST", f"/models/{quote(name)}/unload", timeout=timeout_s)

    def hold_model(self, name: str, seconds: float) -> dict[str, Any]:
        """The model; once loaded it does not leave within that time, an hour at most.

        It is held for longer by holding it once more; a shorter hold does not shorten a longer one.
        """
        return self._call("POST", f"/models/{quote(name)}/hold", json={"seconds": seconds})

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        with _engine_errors():
            response = self._pool.request(method, path, **options)
        if response.status >= 400:
            _raise_error(response)
        reply: dict[str, Any] = response.json()
        return reply


def _for_owner(owner: str | None) -> dict[str, str]:
    return {OWNER_HEADER: owner} if owner else {}


def _events(response: BaseHTTPResponse, jobs: int) -> Iterator[Accepted | Told]:
    """Until the last of so many jobs has ended."""
    for line in _lines(response):
        event = from_line(line)
        if isinstance(event, Broken):
            raise AnswerLost(event.error.message, retry_after_s=RETRY_AFTER_S)
        if isinstance(event, Ended) and event.index == jobs - 1:
            response.drain_conn()  # its end too, so that the connection is of use to the next request
            yield event
            return
        yield event
    raise AnswerLost("the engine broke off its answer", retry_after_s=RETRY_AFTER_S)


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Whole lines only: half a one is what a killed engine leaves."""
    held = b""
    while data := response.read1(CHUNK_BYTES):
        *lines, held = (held + data).split(b"\n")
        yield from lines


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
