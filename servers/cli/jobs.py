"""skylark jobs and queue: what the engine of this machine has in hand, asked over its Unix socket."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from servers.cli import options
from servers.cli.output import print_json, print_table
from servers.jobs.client import JobsClient
from servers.settings import settings

HEADINGS = ("id", "status", "model", "application", "priority", "age", "attempt", "error")


def jobs(
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this job alone.")] = None,
    json: options.Json = False,
) -> None:
    """List running, queued and recent jobs, or show one."""
    engine = JobsClient(settings().engine_socket)
    if job_id is not None:
        _show(engine.get(job_id), json=json)
        return
    queue = engine.queue()
    found = _active(queue) + queue["queued"] + queue["recent"]
    if json:
        print_json({"jobs": found})
    elif found:
        _print_jobs(found)
    else:
        print("no jobs")


def queue(json: options.Json = False) -> None:
    """Show what runs now and what waits."""
    state = JobsClient(settings().engine_socket).queue()
    if json:
        print_json(state)
        return
    waiting = _active(state) + state["queued"]
    print(f"{len(_active(state))} running, {len(state['queued'])} queued")
    if waiting:
        _print_jobs(waiting)


def _active(queue: dict[str, Any]) -> list[dict[str, Any]]:
    return [queue["active"]] if queue["active"] else []


def _print_jobs(found: list[dict[str, Any]]) -> None:
    now = time.time()
    print_table(HEADINGS, (_row(job, now) for job in found))


def _row(job: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        job["id"],
        job["status"] if job["progress"] is None else f"{job['status']} {job['progress']:.0%}",
        f"{job['model_type']}/{job['model']}",
        job["application_id"],
        str(job["priority"]),
        f"{now - job['created_at']:.0f} s",
        str(job["attempt"]),
        job["error"]["message"] if job["error"] else "",
    )


def _show(job: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(job)
        return
    for name, value in job.items():
        if value is not None:
            print(f"{name:16} {value}")
