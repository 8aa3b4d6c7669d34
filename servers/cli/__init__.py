"""The command line: each command is a client of the HTTP servers or of the engine's socket."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperCommand

from servers import __version__
from servers.cli import gpu, health, jobs, models, page, rpc, say, smoke, srv, transcribe, up, voice, worker
from servers.cli.output import EXIT_CODES, Group
from servers.cli.text_command import TextCommand

app = typer.Typer(
    name="skylark",
    cls=Group,
    help="Skylark speaks, listens and aligns.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"skylark {__version__}")
        raise typer.Exit


@app.callback()
def skylark(
    version: Annotated[  # its callback ends the command
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Skylark speaks, listens and aligns."""


for command, kind in (
    (up.up, TyperCommand),
    (say.say, TextCommand),
    (transcribe.transcribe, TyperCommand),
    (transcribe.align, TextCommand),
    (models.voices, TyperCommand),
    (jobs.jobs, TyperCommand),
    (jobs.queue, TyperCommand),
    (health.health, TyperCommand),
    (page.page, TyperCommand),
    (worker.worker, TyperCommand),
    (worker.workers, TyperCommand),
    (smoke.smoke, TyperCommand),
    (gpu.start_gpu, TyperCommand),
    (gpu.stop_gpu, TyperCommand),
):
    app.command(epilog=EXIT_CODES, cls=kind)(command)
app.add_typer(srv.app, name="srv")
app.add_typer(models.app, name="models")
app.add_typer(voice.app, name="voice")
app.add_typer(gpu.app, name="gpu")
app.add_typer(rpc.app, name="rpc")


def main() -> None:
    app(prog_name="skylark")
