"""The command line: each command is a client of the HTTP servers or of the engine's socket."""

from __future__ import annotations

import typer

from servers.cli.health import health
from servers.cli.jobs import jobs, queue
from servers.cli.listen import align, transcribe
from servers.cli.output import EXIT_CODES, Group
from servers.cli.say import say
from servers.cli.up import up

app = typer.Typer(
    name="skylark",
    cls=Group,
    help="Skylark speaks, listens and aligns.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (up, say, transcribe, align, jobs, queue, health):
    app.command(epilog=EXIT_CODES)(command)


def main() -> None:
    app()
