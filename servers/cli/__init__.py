"""The command line: each command is a client of the HTTP servers or of the engine's socket."""

from __future__ import annotations

import typer

from servers.cli import health, jobs, models, say, srv, transcribe, up
from servers.cli.output import EXIT_CODES, Group

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
for command in (
    up.up,
    say.say,
    transcribe.transcribe,
    transcribe.align,
    jobs.jobs,
    jobs.queue,
    health.health,
):
    app.command(epilog=EXIT_CODES)(command)
app.add_typer(srv.app, name="srv")
app.add_typer(models.app, name="models")


def main() -> None:
    app()
