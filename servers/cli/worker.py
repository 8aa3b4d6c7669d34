"""skylark worker: runs a streaming worker. skylark workers: which there are, on all machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servers.cli import options
from servers.cli.failures import WrongUsage
from servers.cli.output import print_json, print_table

if TYPE_CHECKING:
    from servers.rpc.workers import Worker

REDIS = "redis://localhost:6379"
HEADINGS = ("name", "address", "status", "sessions", "languages", "models")


def worker(
    adapter: Annotated[
        str | None,
        typer.Option(help="The backend that speaks: piper, mock …", show_default="that of default_model_id"),
    ] = None,
    default: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The model that is loaded first, as piper-en-us-joe.",
            show_default="default_model_id, or else the adapter's first",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The worker.yaml to use.", show_default="config/worker.yaml of the checkout"
        ),
    ] = None,
) -> None:
    """Run a streaming worker (gRPC) with an engine of its own, until Ctrl-C."""
    from servers.cli.running_worker import run

    run(adapter, default, config)


def workers(
    redis: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where they are registered.", show_default=f"rpc.redis_url, or {REDIS}"
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the streaming workers that are registered in Redis."""
    from servers.rpc.workers import listed

    url = redis or _configured()
    try:
        found = listed(url)
    except ValueError as error:
        raise WrongUsage(f"--redis: {error}") from None
    if json:
        print_json({"workers": [each.model_dump(mode="json") for each in found]})
    elif found:
        print_table(HEADINGS, [_row(each) for each in found])
    else:
        print("no workers")


def _configured() -> str:
    from servers.settings import settings

    own = settings().rpc.redis_url
    return REDIS if own is None else own.get_secret_value()


def _row(worker: Worker) -> tuple[str, ...]:
    models = ", ".join(f"{each.name} ({each.state})" for each in worker.models)
    sessions = f"{worker.sessions} of {worker.capabilities.max_concurrent_sessions}"
    languages = ", ".join(worker.capabilities.languages)
    return (worker.name, worker.address, worker.status, sessions, languages, models)
