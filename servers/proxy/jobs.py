"""The queue as a visitor may see it, and the end of a job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify

from servers.errors import EngineUnavailable, Forbidden, JobNotFound, NotFound, UpstreamFailed, WrongHost
from servers.proxy.answers import Fault, Job, Queue
from servers.proxy.exposure import is_public
from servers.proxy.failures import OF_ASKING, OF_CHANGES
from servers.proxy.machine import watch
from servers.proxy.questions import reply_of
from servers.proxy.streams import in_hand
from servers.proxy.upstream import Upstream, upstreams
from servers.proxy.visitors import visitor
from servers.settings import settings
from servers.web.openapi import operation

RETRY_AFTER_S = 5.0
bp = Blueprint("proxy_jobs", __name__)


@bp.get("/api/queue")
@operation("What runs, waits and has ended, and the models", errors=(WrongHost, EngineUnavailable, NotFound))
def queue() -> Response:
    """Without what is said in it, whoever it is of."""
    _engine()
    found = watch().seen().queue
    if not isinstance(found, Queue):
        raise _not_there(found)
    return jsonify(found.shown(visitor().application_id))


@bp.delete("/api/queue/<uuid:job_id>")
@operation("Cancel a job, running or not", errors=(*OF_ASKING, *OF_CHANGES, Forbidden, JobNotFound, NotFound))
def cancel(job_id: UUID) -> dict[str, Any]:
    """One's own; and where the page is not public, any."""
    engine = _engine()
    with in_hand():
        if is_public(settings().proxy):
            _check_own(_job(engine, job_id))
        cancelled = _read(reply_of(engine.request("POST", f"/jobs/{job_id}/cancel")))
    watch().look_soon()
    return cancelled.shown(visitor().application_id)


def _check_own(job: Job) -> None:
    """Those without a cookie are told apart by an address alone, which many may share. Raises Forbidden."""
    if not visitor().has_cookie or job.application_id != visitor().application_id:
        raise Forbidden("this job is not this visitor's: only the browser that has sent a job may cancel it")


def _engine() -> Upstream:
    """Its API. Raises NotFound where it is not at hand."""
    jobs = upstreams().jobs
    if jobs is None:
        raise NotFound(
            "the queue cannot be seen from here: who runs this page has to say in server_config.json, by "
            "jobs_url, where the engine's API is"
        )
    return jobs


def _not_there(fault: Fault | None) -> EngineUnavailable:
    why = "does not answer" if fault in (Fault.SILENT, Fault.OFF) else "did not answer as it should"
    return EngineUnavailable(
        f"the queue {why}: /api/status says how the machine is", retry_after_s=RETRY_AFTER_S
    )


def _job(engine: Upstream, job_id: UUID) -> Job:
    return _read(reply_of(engine.request("GET", f"/jobs/{job_id}")))


def _read(answer: dict[str, Any]) -> Job:
    try:
        return Job.model_validate(answer)
    except ValueError:
        raise UpstreamFailed("the queue answered with what is no job") from None
