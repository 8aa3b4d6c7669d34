"""skylark up: starts everything, does the main job once, and serves until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from servers.supervision.processes import (
    DEFAULT_PORT_BASE,
    DOORS,
    FINETUNE,
    FINETUNE_OFFSET,
    PROXY_OFFSET,
    RPC,
    RPC_OFFSET,
)


def _enumerated(*words: str) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


LISTENS = _enumerated(
    f"{DOORS[0].name} listens at N",
    *(f"{door.name} at N+{n}" for n, door in enumerate(DOORS[1:], 1)),
    f"{RPC.name} at N+{RPC_OFFSET}",
    f"{FINETUNE.name} at N+{FINETUNE_OFFSET}",
    f"the page is at N+{PROXY_OFFSET}",
)


def up(
    once: Annotated[
        bool, typer.Option("--once", help="End after the main job, with everything stopped.")
    ] = False,
    port_base: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535 - PROXY_OFFSET,
            help=f"{LISTENS}. Other than {DEFAULT_PORT_BASE}, the data is kept in a folder of its "
            "own, so that two can run side by side.",
            metavar="N",
            show_default="5000",
        ),
    ] = None,
) -> None:
    """Start Skylark: speak, align and transcribe examples/hello.txt, then serve until Ctrl-C."""
    from servers.cli.starting import start

    start(port_base, once=once)
