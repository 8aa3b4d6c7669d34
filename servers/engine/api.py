"""The job API of the engine: seed 000's endpoints, on a Unix socket, and on TCP where that is configured."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, request
from pydantic import Field

from servers.engine.desk import Caller, Desk, Submission
from servers.engine.playback import Playback
from servers.errors import InvalidRequest
from servers.jobs.client import OWNER_HEADER, RATE_HEADER
from servers.jobs.job import Job
from servers.speech import Noun
from servers.web.auth import current_owner, over_unix_socket
from servers.web.body import json_body
from servers.web.disconnect import client_connected, connection

bp = Blueprint("jobs", __name__)
DESK, PLAYBACK = "skylark.desk", "skylark.playback"
MAX_WAIT_S = 60.0
LARGEST = 2**40
MAX_KEY = 200


class Batch(Noun):
    """The body of POST /jobs/batch."""

    jobs: list[Submission] = Field(min_length=1, max_length=10_000)


def desk() -> Desk:
    found: Desk = current_app.extensions[DESK]
    return found


def caller() -> Caller:
    """Over the Unix socket a door may say for whom it calls; over TCP it is whoever the key belongs to."""
    if over_unix_socket():
        return Caller(request.headers.get(OWNER_HEADER))
    return Caller(current_owner(), remote=True)


@bp.post("/jobs")
def submit() -> dict[str, Any]:
    submission = json_body(Submission)
    if key := request.headers.get("Idempotency-Key"):
        submission = submission.model_copy(update={"idempotency_key": key[:MAX_KEY]})
    (job_id,) = desk().submit([submission], caller())
    return {"job_id": job_id}


@bp.post("/jobs/batch")
def submit_batch() -> dict[str, Any]:
    return {"job_ids": desk().submit(json_body(Batch).jobs, caller())}


@bp.get("/jobs/<uuid:job_id>")
def get(job_id: UUID) -> dict[str, Any]:
    wait_s = min(_number("wait"), MAX_WAIT_S)
    return desk().poll(str(job_id), caller(), wait_s, client_connected).to_dict()


@bp.delete("/jobs/<uuid:job_id>")
def withdraw(job_id: UUID) -> dict[str, Any]:
    desk().withdraw(str(job_id), caller())
    return {"job_id": str(job_id), "status": "cancelled"}


@bp.post("/jobs/<uuid:job_id>/cancel")
def cancel(job_id: UUID) -> dict[str, Any]:
    return desk().cancel(str(job_id), caller(), client_connected).to_dict()


@bp.get("/jobs/<uuid:job_id>/events")
def events(job_id: UUID) -> Response:
    """Server-sent events: `job` with the job each time that it changed, the last one when it has ended."""
    desk().get(str(job_id), caller())
    jobs = desk().events(str(job_id), caller(), connection())
    return Response(
        map(partial(_event, desk()), jobs),
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-cache"},
    )


def _event(desk: Desk, job: Job | None) -> str:
    if job is None:
        return ": nothing new\n\n"
    data = json.dumps(job.to_dict() | {"attempts": desk.attempts(job)})
    return f"event: job\ndata: {data}\n\n"


@bp.get("/jobs/<uuid:job_id>/audio")
def audio(job_id: UUID) -> Response:
    playback: Playback = current_app.extensions[PLAYBACK]
    sound = playback.play(str(job_id), caller(), int(_number("from")), connection())
    media_type = f"audio/pcm;rate={sound.sample_rate};channels=1;encoding=s16le"
    return Response(sound.chunks, mimetype=media_type, headers={RATE_HEADER: str(sound.sample_rate)})


@bp.get("/health")
def health() -> dict[str, Any]:
    return desk().health()


@bp.get("/queue")
def queue() -> dict[str, Any]:
    return desk().queue(caller())


def _number(name: str) -> float:
    """A query parameter of at least 0. Raises InvalidRequest."""
    text = request.args.get(name, "0")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < LARGEST:
        raise InvalidRequest(f"{name!r} must be a number from 0 to {LARGEST}, not {text!r}", param=name)
    return number
