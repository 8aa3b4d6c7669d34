"""skylark srv: the engine and its jobs, as seed 000 has them on the command line."""

from __future__ import annotations

import json as jsonlib
import math
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group, RenderableType
from rich.live import Live

from servers.catalog import Catalog
from servers.cli import options
from servers.cli.jobs import HEADINGS, headline, in_hand, rows, show_queue
from servers.cli.output import (
    EXIT_CODES,
    CommandFailed,
    WrongUsage,
    complain,
    console,
    print_json,
    progress,
    table,
)
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.settings import settings

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
    if socket is not None:
        if not _absolute(socket).parent.is_dir():
            raise WrongUsage(f"--socket: there is no folder {_absolute(socket).parent}")
        os.environ["SKYLARK_ENGINE__SOCKET"] = str(_absolute(socket))
    if config is not None:
        os.environ["SKYLARK_MODELS_FILE"] = str(_absolute(config))
    settings.cache_clear()
    Catalog.load(settings().models_file)  # said here in one line, and not in the engine's log
    os.execv(sys.executable, [sys.executable, "-m", "servers.engine"])


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def health(socket: options.Socket = None, json: options.Json = False) -> None:
    """Ask the engine how it is; the exit code is 1 when it is stopping, or degraded."""
    answer = _engine(socket).health()
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
    engine = _engine(socket)
    if not watch:
        show_queue(engine, json=json)
    elif json or not console().is_terminal:
        raise WrongUsage("--watch is for a terminal, and without --json")
    else:
        _watch(engine)


def _watch(engine: JobsClient) -> None:
    try:
        with Live(_picture(engine), console=console(), auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH_S)
                live.update(_picture(engine), refresh=True)
    except KeyboardInterrupt:
        return  # this is how it is meant to end


def _picture(engine: JobsClient) -> RenderableType:
    state = engine.queue()
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
        "result_path": None if result_path is None else str(_absolute(result_path)),
    }
    engine = _engine(socket)
    (job_id,) = engine.submit([job])
    if wait:
        _print_result(_ended(engine, job_id), json=json)
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


def _ended(engine: JobsClient, job_id: str) -> dict[str, Any]:
    try:
        with progress(100, "queued") as bar:

            def show(job: dict[str, Any]) -> None:
                if bar is not None:
                    percent = round(100 * (job["progress"] or 0))
                    bar.update(bar.task_ids[0], description=job["status"], completed=percent)

            return engine.wait(job_id, timeout_s=math.inf, seen=show)
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


def cancel(
    job_id: Annotated[UUID, typer.Argument(metavar="ID")],
    socket: options.Socket = None,
    json: options.Json = False,
) -> None:
    """End a job, queued or running."""
    engine = _engine(socket)
    engine.cancel(str(job_id))
    job = engine.get(str(job_id))
    if json:
        print_json(job)
    elif job["status"] == "cancelled":
        print("cancelled")
    if job["status"] != "cancelled":
        raise CommandFailed(f"job {job_id} is {job['status']}, and was not cancelled")


def _engine(socket: Path | None) -> JobsClient:
    return JobsClient(_absolute(socket) if socket is not None else settings().engine_socket)


for command in (start, health, queue, submit, cancel):
    app.command(epilog=EXIT_CODES)(command)
