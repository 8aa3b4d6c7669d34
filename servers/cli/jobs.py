"""skylark jobs and queue: what the engine of this machine has in hand, asked over its Unix socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servers.cli import engine, options
from servers.cli.output import print_json, print_table

if TYPE_CHECKING:
    from servers.jobs.client import JobsClient

HEADINGS = ("id", "status", "model", "application", "priority", "age", "attempt", "error")
LISTED = 50
"""The engine lists no more of each kind."""


def jobs(
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this job alone.")] = None,
    socket: options.Socket = None,
    json: options.Json = False,
) -> None:
    """List running, queued and recent jobs, or show one."""
    wanted = engine.job_id(job_id) if job_id is not None else None
    with engine.asked(socket) as client:
        if wanted is not None:
            _show(client.get(wanted), json=json)
        else:
            _list(client.queue(), json=json)


def _list(queue: dict[str, Any], *, json: bool) -> None:
    found = in_hand(queue) + queue["recent"]
    if json:
        print_json({"jobs": found})
    elif found:
        _print_jobs(found)
    else:
        print("no jobs")


def queue(socket: options.Socket = None, json: options.Json = False) -> None:
    """Show what runs now and what waits."""
    with engine.asked(socket) as client:
        show_queue(client, json=json)


def show_queue(client: JobsClient, *, json: bool) -> None:
    state = client.queue()
    if json:
        print_json(state)
        return
    print(headline(state))
    if in_hand(state):
        _print_jobs(in_hand(state))


def headline(state: dict[str, Any]) -> str:
    more = " or more" if len(state["queued"]) == LISTED else ""
    return f"{len(state['running'])} running, {len(state['queued'])}{more} queued"


def in_hand(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs of the engine's /queue that have not ended."""
    jobs: list[dict[str, Any]] = state["running"] + state["queued"]
    return jobs


def _print_jobs(found: list[dict[str, Any]]) -> None:
    print_table(HEADINGS, rows(found))


def rows(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What stands under HEADINGS."""
    now = time.time()
    return [_row(job, now) for job in found]


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
