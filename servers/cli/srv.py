"""skylark srv: the engine and its jobs, as seed 000 has them on the command line."""

from __future__ import annotations

import json as jsonlib
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servers.cli import engine, options
from servers.cli.engine import absolute
from servers.cli.failures import CommandFailed, WrongUsage
from servers.cli.jobs import HEADINGS, headline, in_hand, rows, show_queue
from servers.cli.output import EXIT_CODES, complain, console, how_far, print_json, table
from servers.errors import SkylarkError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from servers.jobs.client import JobsClient

app = typer.Typer(help="The engine: start it, see how it is, give it jobs.", no_args_is_help=True)
REFRESH_S = 1.0


def start(
    socket: options.Socket = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="PATH", help="The models.yaml to use.", show_default="models_file"),
    ] = None,
) -> None:
    """Run the engine in the foreground, until Ctrl-C."""
    from servers.catalog import Catalog
    from servers.settings import settings

    if socket is not None:
        if not absolute(socket).parent.is_dir():
            raise WrongUsage(f"--socket: there is no folder {absolute(socket).parent}")
        os.environ["SKYLARK_ENGINE__SOCKET"] = str(absolute(socket))
    if config is not None:
        os.environ["SKYLARK_MODELS_FILE"] = str(absolute(config))
    settings.cache_clear()
    Catalog.load(settings().models_file)  # said here in one line, and not in the engine's log
    os.execv(sys.executable, [sys.executable, "-m", "servers.engine"])


def health(socket: options.Socket = None, json: options.Json = False) -> None:
    """Ask the engine how it is; the exit code is 1 when it is stopping, or degraded."""
    with engine.asked(socket) as client:
        answer = client.health()
    if json:
        print_json(answer)
    else:
        print(_line(answer))
    if answer["status"] != "ok":
        why = f": {answer['error']['message']}" if "error" in answer else ""
        raise CommandFailed(f"the engine is {answer['status']}{why}")


def _line(answer: dict[str, Any]) -> str:
    loaded = ", ".join(f"{model['type']}/{model['name']}" for model in answer["loaded_models"])
    return (
        f"{answer['status']}  {loaded or 'no model'} loaded on {answer['gpu_name'] or answer['device']}, "
        f"{answer['queue_depth']} queued, up {answer['uptime_s']:.0f} s"
    )


def queue(
    watch: Annotated[bool, typer.Option("--watch", help="Show it until Ctrl-C, as it changes.")] = False,
    socket: options.Socket = None,
    json: options.Json = False,
) -> None:
    """Show what runs now and what waits."""
    if watch and (json or not sys.stdout.isatty()):
        raise WrongUsage("--watch is for a terminal, and without --json")
    with engine.asked(socket) as client:
        if watch:
            _watch(client)
        else:
            show_queue(client, json=json)


def _watch(client: JobsClient) -> None:
    from rich.live import Live

    try:
        with Live(_picture(client), console=console(), auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH_S)
                live.update(_picture(client), refresh=True)
    except KeyboardInterrupt:
        return  # this is how it is meant to end


def _picture(client: JobsClient) -> RenderableType:
    from rich.console import Group

    state = client.queue()
    return Group(headline(state), table(HEADINGS, rows(in_hand(state))))


def submit(
    model_type: Annotated[str, typer.Argument(metavar="TYPE", help="The backend: espeak, pocketsphinx …")],
    payload: Annotated[str, typer.Option(metavar="JSON", help="What it is to do; a JSON object.")],
    model: Annotated[str | None, typer.Option(help="Otherwise the backend's default.")] = None,
    app_id: Annotated[str, typer.Option(help="Jobs of one application run one after the other.")] = "default",
    priority: Annotated[int, typer.Option(min=0, help="0 is urgent; higher numbers wait longer.")] = 10,
    result_path: Annotated[Path | None, typer.Option(help="The file that the result goes to.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result, and print it.")] = False,
    socket: options.Socket = None,
    json: options.Json = False,
) -> None:
    """Give the engine a job, and print its id."""
    job = {
        "model_type": model_type,
        "model": model,
        "application_id": app_id,
        "priority": priority,
        "payload": _object(payload),
        "result_path": None if result_path is None else str(absolute(result_path)),
    }
    with engine.asked(socket) as client:
        (job_id,) = client.submit([job])
        ended = _ended(client, job_id) if wait else None
    if ended is not None:
        _print_result(ended, json=json)
    elif json:
        print_json({"job_id": job_id})
    else:
        print(job_id)


def _object(payload: str) -> dict[str, Any]:
    try:
        parsed = jsonlib.loads(payload)
    except ValueError as error:
        raise WrongUsage(f"--payload: not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise WrongUsage("--payload: not a JSON object")
    return parsed


def _ended(client: JobsClient, job_id: str) -> dict[str, Any]:
    try:
        with how_far("queued") as show:
            return client.wait(
                job_id,
                timeout_s=math.inf,
                seen=lambda job: show(job["progress"] or 0.0, job["status"]),
            )
    except KeyboardInterrupt:
        complain(f"the job goes on; to end it: skylark srv cancel {job_id}")
        raise


def _print_result(job: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(job)
    elif job["status"] == "done":
        print_json(job["result"])
    if job["error"] is not None:
        raise SkylarkError.from_dict(job["error"])
    if job["status"] != "done":
        raise CommandFailed(f"job {job['id']} is {job['status']}")


def cancel(job_id: options.JobId, socket: options.Socket = None, json: options.Json = False) -> None:
    """End a job, queued or running."""
    wanted = engine.job_id(job_id)
    with engine.asked(socket) as client:
        client.cancel(wanted)
        job = client.get(wanted)
    if json:
        print_json(job)
    elif job["status"] == "cancelled":
        print("cancelled")
    if job["status"] != "cancelled":
        raise CommandFailed(_not_cancelled(job))


def _not_cancelled(job: dict[str, Any]) -> str:
    if job["finished_at"] is None:
        return f"job {job['id']} is {job['status']} still: `skylark jobs {job['id']}` says when it has ended"
    return f"job {job['id']} is {job['status']} already: there is nothing left to cancel"


for command in (start, health, queue, submit, cancel):
    app.command(epilog=EXIT_CODES)(command)
