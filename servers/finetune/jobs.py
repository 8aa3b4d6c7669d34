"""GET /jobs, GET and DELETE /jobs/<job_id>, GET /jobs/<job_id>/report: trainings, from queued to ready."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from servers.errors import Conflict, EngineUnavailable, JobCancelled, JobNotFound, StorageFailed
from servers.finetune.lifecycle import Lifecycle
from servers.finetune.operations import durations
from servers.finetune.trainings import Status, Training
from servers.settings import settings
from servers.web.app import on_terminate
from servers.web.auth import current_owner
from servers.web.door import LISTENING
from servers.web.openapi import operation
from servers.web.requester import EXTENSION as REQUESTS
from servers.web.requester import requests

EXTENSION = "skylark.trainings"
bp = Blueprint("jobs", __name__)


def install(app: Flask) -> None:
    """Its trainings go on once it is started."""
    doors = app.extensions[REQUESTS]
    with app.app_context():
        kept = durations()
    app.extensions[EXTENSION] = Lifecycle(doors.own.client, lambda: doors.named(LISTENING), settings(), kept)
    on_terminate(app, app.extensions[EXTENSION].stop)


def lifecycle() -> Lifecycle:
    found: Lifecycle = current_app.extensions[EXTENSION]
    return found


@bp.get("/jobs")
@operation("All trainings, the oldest first", errors=(EngineUnavailable,))
def listed() -> Response:
    owner = current_owner()
    own = [each for each in lifecycle().trainings.all() if each.owner == owner]
    return jsonify([described(each, _job(each)) for each in own])


@bp.get("/jobs/<job_id>")
@operation("How a training is", errors=(JobNotFound, EngineUnavailable))
def one(job_id: str) -> dict[str, Any]:
    found = _found(job_id)
    return described(found, _job(found))


@bp.delete("/jobs/<job_id>")
@operation(
    "Cancel a training that has not ended, or remove one that has, with its voice",
    errors=(JobNotFound, EngineUnavailable, StorageFailed),
)
def removed(job_id: str) -> dict[str, Any]:
    found = _found(job_id)
    if not found.has_ended:
        try:
            cancelled = lifecycle().cancel(found)
            return {"job_id": found.id, "status": cancelled.status}
        except JobCancelled:  # it has ended in this moment
            found = _found(job_id)
    lifecycle().remove(found)
    return {"job_id": found.id, "status": "deleted"}


@bp.get("/jobs/<job_id>/report")
@operation("What was found in a training's data set, line by line", errors=(JobNotFound, Conflict))
def report(job_id: str) -> Response:
    found = _found(job_id)
    made = lifecycle().trainings.report(found.id)
    if made is None:
        raise Conflict(f"the data set of job {found.id} was not looked through: it is {found.status}")
    reply = jsonify(made.model_dump(mode="json"))
    reply.headers["Content-Disposition"] = f'attachment; filename="report-{found.id}.json"'
    return reply


def ready(job_id: str) -> Training:
    """The training of a voice that speaks. Raises JobNotFound, and Conflict where it is not ready."""
    found = _found(job_id)
    if found.status is not Status.READY:
        raise Conflict(f"job {found.id} is not ready for inference: it is {found.status}", param="job_id")
    return found


def _found(job_id: str) -> Training:
    return lifecycle().trainings.find(job_id, current_owner())


def _job(training: Training) -> dict[str, Any] | None:
    """The engine's, while it trains."""
    if training.status is not Status.TRAINING or training.job_id is None:
        return None
    try:
        return requests().client.get(training.job_id)
    except JobNotFound:  # what becomes of it is told soon
        return None


def described(training: Training, job: dict[str, Any] | None) -> dict[str, Any]:
    """In the words of its clients; `job` is the engine's, where it is at work."""
    told: dict[str, Any] = {
        "job_id": training.id,
        "status": training.status,
        "speaker_name": training.speaker_name,
        "created_at": training.created_at,
        "finished_at": training.finished_at,
        "warnings": list(training.warnings),
        "progress": {"stage": training.status, "total_epochs": training.payload["num_epochs"]},
    }
    told |= {
        name: value
        for name in ("dataset_s3_key", "book_id", "chapter_id", "character_id", "resume_job_id", "error")
        if (value := getattr(training, name)) is not None
    }
    if job is not None:
        told["progress"] |= (job["progress_details"] or {}) | {"share": job["progress"]}
    if training.checkpoint is not None:
        told["checkpoint_path"] = str(training.checkpoint.relative_to(settings().data_dir))
    if training.status is Status.READY:
        told["inference_url"] = f"/infer/{training.id}"
    return told
