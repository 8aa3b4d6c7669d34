"""Work that a client sent to the job API: its jobs are submitted, and once they have ended the result is what
the job API says of them, with the audio of each beside it.
"""

from __future__ import annotations

import io
import json
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from tempfile import SpooledTemporaryFile
from typing import Any

from servers.errors import DeadlineExceeded, EngineUnavailable, JobCancelled, MalformedBody, SkylarkError
from servers.intake.objects import IN_MEMORY, BodyGone, Objects
from servers.intake.outcomes import BUSY_PAUSE_S, Back, Done, Failed, Outcome, gone, judge, wire_error
from servers.intake.work import KEY_HEADER, Work
from servers.jobs.client import JobsClient

PATHS = frozenset({"/jobs", "/jobs/batch"})
LONGEST_S = 86_400.0
"""After that the work is given back, and goes on with the same jobs."""
JSON = "application/json"
ENGINE = "engine"
Job = dict[str, Any]


def is_for_engine(work: Work) -> bool:
    return work.path.partition("?")[0] in PATHS


class Submission:
    """Thread-safe. `wanted` says whether it is still worth waiting."""

    def __init__(
        self,
        engine: JobsClient,
        objects: Objects,
        wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._objects, self._wanted, self._clock = engine, objects, wanted, clock

    def asked(self, work: Work) -> str:  # noqa: ARG002
        return ENGINE

    def is_ready(self, work: Work) -> bool:  # noqa: ARG002
        return takes_jobs(self._engine)

    def do(self, work: Work) -> Outcome:
        """Raises CloudFailed."""
        try:
            return self._done(work)
        except BodyGone:
            return gone()
        except (EngineUnavailable, DeadlineExceeded) as error:
            return Back(error.retry_after_s or BUSY_PAUSE_S, error.message)
        except SkylarkError as error:
            return judge(
                error.http_status, error.to_dict(), error.retry_after_s, work.failures, work.renewals
            )

    def _done(self, work: Work) -> Outcome:
        jobs = self._jobs(work)
        ids = self._engine.submit(jobs, owner=work.owner, remote=True)
        ended = [
            self._engine.wait(id, timeout_s=LONGEST_S, wanted=self._wanted, clock=self._clock) for id in ids
        ]
        alone = not _is_batch(work)
        if alone and (failed := _failure(ended[0])):
            return failed
        audio = {
            str(place): self._audio(work, place, job) for place, job in enumerate(ended) if _has_audio(job)
        }
        told = json.dumps(ended[0] if alone else {"jobs": ended}).encode()
        return self._objects.keep(work, io.BytesIO(told), Done(200, JSON, len(told), audio))

    def _jobs(self, work: Work) -> list[Job]:
        """Each with its name, by which it is the same job when it is submitted again."""
        with self._objects.body(work) as body:
            asked = submitted(body.read(), work)
        return [named(job, work, place if _is_batch(work) else None) for place, job in enumerate(asked)]

    def _audio(self, work: Work, place: int, job: Job) -> int:
        with SpooledTemporaryFile(IN_MEMORY) as file:
            with self._engine.audio(job["id"]) as audio, wave.open(file, "wb") as wav:
                wav.setnchannels(1)
                wav.setsampwidth(2)
                wav.setframerate(audio.sample_rate)
                for chunk in audio.chunks:
                    wav.writeframesraw(chunk)
            return self._objects.keep_audio(work, place, file)


def takes_jobs(engine: JobsClient) -> bool:
    """Whether it would."""
    try:
        return bool(engine.health()["status"] == "ok")
    except SkylarkError:
        return False


def submitted(body: bytes, work: Work) -> Sequence[Mapping[str, Any]]:
    """The jobs of a body, of which the engine says what is wrong with each. Raises MalformedBody."""
    try:
        asked = json.loads(body)
    except ValueError:
        raise MalformedBody("the body is not JSON") from None
    jobs = asked.get("jobs") if isinstance(asked, dict) and _is_batch(work) else [asked]
    if not isinstance(jobs, list) or not jobs or not all(isinstance(job, dict) for job in jobs):
        raise MalformedBody('the body is no job, or no list of jobs as {"jobs": [...]}')
    return jobs


def named(job: Mapping[str, Any], work: Work, place: int | None) -> Job:
    """It does not expire for want of interest while the intake is away, unless its client said so. Its key is
    what it would be at the job API itself:

    1. of a single job the header's, where it had one;
    2. else the job's own, and null is none;
    3. else that of the work, in a batch with its place.
    """
    own = job.get("idempotency_key")
    if place is None and work.headers.get(KEY_HEADER):  # 1
        key = work.key
    elif own is not None:  # 2
        key = own
    else:  # 3
        key = work.key if place is None else f"{work.key}/{place}"
    return {"expires": False} | dict(job) | {"idempotency_key": key}


def _is_batch(work: Work) -> bool:
    return work.path.partition("?")[0] == "/jobs/batch"


def _has_audio(job: Job) -> bool:
    return job["status"] == "done" and (job["result"] or {}).get("sample_rate") is not None


def _failure(job: Job) -> Failed | None:
    """The end of a single job that is not done."""
    if job["status"] == "done":
        return None
    error = (
        SkylarkError.from_dict(job["error"]) if job["error"] else JobCancelled(f"the job was {job['status']}")
    )
    return Failed(error.http_status, wire_error(error.to_dict(), error.http_status))
