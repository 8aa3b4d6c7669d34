"""The job API of the engine: seed 000's endpoints, on a Unix socket, and on TCP where that is configured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response, current_app, request
from pydantic import Field

from servers.backends.base import TRANSCRIBE
from servers.engine.playback import Playback
from servers.engine.service import HEARTBEAT_EVERY_S, RETRY_AFTER_S, Service
from servers.engine.submission import LONGEST_KEY, Batch, Caller, Stream, Submission
from servers.errors import (
    Conflict,
    EngineUnavailable,
    Forbidden,
    InvalidRequest,
    JobNotFound,
    NotFound,
    SkylarkError,
    StorageFailed,
    UnknownModel,
    UnsupportedAudio,
)
from servers.jobs.client import OWNER_HEADER, RATE_HEADER, REMOTE_HEADER
from servers.jobs.handover import HandedOver
from servers.jobs.job import Job
from servers.jobs.request import IDEMPOTENCY_KEY, Requester
from servers.jobs.stream_events import Accepted, Broken, Ended, Event, Told, to_line
from servers.web.auth import current_owner, over_unix_socket
from servers.web.body import json_body, json_object
from servers.web.disconnect import client_connected, connection
from servers.web.openapi import operation
from servers.web.query import Query
from servers.web.requester import NAMED, key_header

bp = Blueprint("jobs", __name__)
SERVICE, PLAYBACK = "skylark.service", "skylark.playback"
MAX_WAIT_S = 60.0
LARGEST = 2**40
ASKING = (EngineUnavailable, StorageFailed)
"""The errors of whoever asks the queue."""
OF_A_JOB = (*ASKING, JobNotFound)
SUBMITTING = (*ASKING, Conflict, UnknownModel, UnsupportedAudio)
TAKING_IN = (*ASKING, Conflict, Forbidden, UnknownModel)


class Wait(Query):
    """What GET /jobs/<id> takes."""

    wait: Annotated[float, Field(ge=0, lt=LARGEST, description="seconds to wait for its end")] = 0.0


class From(Query):
    """What GET /jobs/<id>/audio takes."""

    start: Annotated[int, Field(alias="from", ge=0, lt=LARGEST, description="its first sample")] = 0


def service() -> Service:
    found: Service = current_app.extensions[SERVICE]
    return found


def playback() -> Playback:
    found: Playback = current_app.extensions[PLAYBACK]
    return found


def caller() -> Caller:
    """Over the Unix socket a door may say for whom it calls, and that they are on a network; over TCP it is
    whoever the key belongs to.
    """
    if over_unix_socket():
        return Caller(request.headers.get(OWNER_HEADER), remote=REMOTE_HEADER in request.headers)
    return Caller(current_owner(), remote=True)


@bp.post("/jobs")
@operation("Submit a job", body=Submission, headers=key_header(LONGEST_KEY), errors=SUBMITTING)
def submit() -> dict[str, Any]:
    submission = json_body(Submission)
    if (key := request.headers.get(IDEMPOTENCY_KEY)) is not None:
        submission = submission.named(key)
    (job_id,) = service().submit([submission], caller())
    return {"job_id": job_id}


@bp.post("/jobs/batch")
@operation("Submit jobs, all or none", body=Batch, headers=NAMED, errors=SUBMITTING)
def submit_batch() -> dict[str, Any]:
    """With the header each job that has no key of its own is named by it, and by its place."""
    jobs, name = json_body(Batch).jobs, request.headers.get(IDEMPOTENCY_KEY)
    if name is not None:
        named = Requester(idempotency_key=name)
        jobs = [job.named(job.idempotency_key or named.job_key(place)) for place, job in enumerate(jobs)]
    return {"job_ids": service().submit(jobs, caller())}


@bp.post("/jobs/stream")
@operation(
    "Submit jobs and hear what becomes of them",
    body=Stream,
    replies=("application/x-ndjson",),
    errors=SUBMITTING,
)
def stream() -> Response:
    """Takes jobs; gives their audio as it is made, segments of transcripts where they are asked for, and each
    job once it has ended: a JSON object a line.
    """
    asked, who, connected = _stream_body(), caller(), connection()
    positions = asked.positions()
    job_ids = service().submit(asked.jobs, who)
    streams = [
        _tell(job_id, asked, who)(index, job_id, who, position, connected)
        for index, (job_id, position) in enumerate(zip(job_ids, positions, strict=True))
    ]
    events = _events(job_ids, streams, partial(service().keep_alive, caller=who))
    return Response(
        map(to_line, events), mimetype="application/x-ndjson", headers={"Cache-Control": "no-cache"}
    )


def _tell(job_id: str, asked: Stream, who: Caller) -> Callable[..., Iterator[Told]]:
    """How what becomes of the job is told: a transcript's segments, audio, or its end alone."""
    if asked.segments and service().get(job_id, who).payload["task"] == TRANSCRIBE:
        return playback().heard
    return playback().stream if asked.audio else playback().ends


def _stream_body() -> Stream:
    """An error of a single job names its fields plainly, as POST /jobs does."""
    body = json_object()
    try:
        return Stream.parse(body, strict=True)
    except InvalidRequest as error:
        jobs = body.get("jobs")
        if error.param is not None and isinstance(jobs, list) and len(jobs) == 1:
            error.param = error.param.removeprefix("jobs.0.")
        raise


def _events(
    job_ids: list[str],
    streams: Sequence[Iterator[Told]],
    keep_alive: Callable[[list[str]], None],
) -> Iterator[Event]:
    """What is told of the jobs, one after the other; meanwhile none of them expires for want of interest."""
    yield Accepted(tuple(job_ids))
    kept_alive_at = time.monotonic()
    try:
        for index, stream in enumerate(streams):
            event: Event | None = None
            for event in stream:
                yield event
                if time.monotonic() - kept_alive_at > HEARTBEAT_EVERY_S:
                    keep_alive(job_ids[index:])
                    kept_alive_at = time.monotonic()
            if not isinstance(event, Ended):
                raise EngineUnavailable("the engine is stopping", retry_after_s=RETRY_AFTER_S)
    except SkylarkError as error:
        yield Broken(error)


@bp.post("/jobs/handover")
@operation("Take in a job that another machine's engine has accepted", body=HandedOver, errors=TAKING_IN)
def take_in() -> dict[str, Any]:
    """Over the Unix socket only: it says whose the job is."""
    if not over_unix_socket():
        raise Forbidden("jobs are handed over on the engine's Unix socket only")
    handed = json_body(HandedOver)
    return {"job_id": service().take_in(handed)}


@bp.get("/jobs/<uuid:job_id>")
@operation("A job", query=Wait, errors=OF_A_JOB)
def get(job_id: UUID) -> dict[str, Any]:
    wait_s = min(Wait.of_request().wait, MAX_WAIT_S)
    return service().poll(str(job_id), caller(), wait_s, client_connected).to_dict()


@bp.delete("/jobs/<uuid:job_id>")
@operation("Withdraw a job that has not begun", errors=OF_A_JOB)
def withdraw(job_id: UUID) -> dict[str, Any]:
    service().withdraw(str(job_id), caller())
    return {"job_id": str(job_id), "status": "cancelled"}


@bp.post("/jobs/<uuid:job_id>/cancel")
@operation("Cancel a job, running or not", errors=OF_A_JOB)
def cancel(job_id: UUID) -> dict[str, Any]:
    return service().cancel(str(job_id), caller(), client_connected).to_dict()


@bp.get("/jobs/<uuid:job_id>/events")
@operation("What becomes of a job", replies=("text/event-stream",), errors=OF_A_JOB)
def events(job_id: UUID) -> Response:
    """Server-sent events: `job` with the job each time that it changed, the last one when it has ended."""
    service().get(str(job_id), caller())
    jobs = service().events(str(job_id), caller(), connection())
    return Response(
        map(partial(_event, service()), jobs),
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-cache"},
    )


def _event(service: Service, job: Job | None) -> str:
    if job is None:
        return ": nothing new\n\n"
    data = json.dumps(job.to_dict() | {"attempts": service.attempts(job)})
    return f"event: job\ndata: {data}\n\n"


@bp.get("/jobs/<uuid:job_id>/audio")
@operation(
    "A job's audio as it is made",
    query=From,
    replies=("audio/pcm",),
    errors=(*OF_A_JOB, Conflict, NotFound),
)
def audio(job_id: UUID) -> Response:
    sound = playback().play(str(job_id), caller(), From.of_request().start, connection())
    media_type = f"audio/pcm;rate={sound.sample_rate};channels=1;encoding=s16le"
    return Response(sound.chunks, mimetype=media_type, headers={RATE_HEADER: str(sound.sample_rate)})


@bp.get("/health")
@operation("How the engine is")
def health() -> dict[str, Any]:
    return service().health()


@bp.get("/queue")
@operation("What runs, waits and has ended", errors=ASKING)
def queue() -> dict[str, Any]:
    return service().queue(caller())


@bp.get("/activity")
@operation("How much there is to do", errors=ASKING)
def activity() -> dict[str, Any]:
    return service().activity()
