"""The job API of the engine: seed 000's endpoints, on a Unix socket."""

from __future__ import annotations

import math
from typing import Any

from flask import Blueprint, Response, current_app, request
from pydantic import Field

from servers.engine.desk import Desk, Submission
from servers.errors import InvalidRequest
from servers.jobs.client import OWNER_HEADER, RATE_HEADER
from servers.speech import Noun
from servers.web.body import json_body
from servers.web.disconnect import client_connected

bp = Blueprint("jobs", __name__)
MAX_WAIT_S = 60.0


class Batch(Noun):
    """The body of POST /jobs/batch."""

    jobs: list[Submission] = Field(min_length=1, max_length=10_000)


def desk() -> Desk:
    found: Desk = current_app.extensions["skylark.desk"]
    return found


@bp.post("/jobs")
def submit() -> dict[str, Any]:
    (job_id,) = desk().submit([json_body(Submission)], request.headers.get(OWNER_HEADER))
    return {"job_id": job_id}


@bp.post("/jobs/batch")
def submit_batch() -> dict[str, Any]:
    return {"job_ids": desk().submit(json_body(Batch).jobs, request.headers.get(OWNER_HEADER))}


@bp.get("/jobs/<job_id>")
def get(job_id: str) -> dict[str, Any]:
    wait_s = min(_number("wait"), MAX_WAIT_S)
    return desk().poll(job_id, wait_s, client_connected).to_dict()


@bp.delete("/jobs/<job_id>")
def withdraw(job_id: str) -> dict[str, Any]:
    desk().withdraw(job_id)
    return {"job_id": job_id, "status": "cancelled"}


@bp.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> dict[str, Any]:
    return desk().cancel(job_id, client_connected).to_dict()


@bp.get("/jobs/<job_id>/audio")
def audio(job_id: str) -> Response:
    sound = desk().audio(job_id, int(_number("from")), client_connected)
    media_type = f"audio/pcm;rate={sound.sample_rate};channels=1;encoding=s16le"
    return Response(sound.chunks, mimetype=media_type, headers={RATE_HEADER: str(sound.sample_rate)})


@bp.get("/health")
def health() -> dict[str, Any]:
    return desk().health()


@bp.get("/queue")
def queue() -> dict[str, Any]:
    return desk().queue()


def _number(name: str) -> float:
    """A query parameter of at least 0. Raises InvalidRequest."""
    text = request.args.get(name, "0")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise InvalidRequest(f"{name!r} must be a number of at least 0, not {text!r}", param=name)
    return number
