"""skylark smoke: whether servers do what they are for, in one short pass, whoever runs them and wherever."""

from __future__ import annotations

from typing import Annotated

import typer

from servers.cli import options


def smoke(
    config_file: options.Config = None,
    server: options.Server = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait so long for them to be ready.")
    ] = 0.0,
    most_wrong: Annotated[
        float, typer.Option(metavar="RATE", min=0, help="The word error rate that is still taken.")
    ] = 0.3,
) -> None:
    """Speak, hear it again, align it, check the keys, and be refused; the exit code is 1 when one fails."""
    from servers.cli import config
    from servers.cli.smoke_checks import check

    check(config.load(config_file, server), wait_s=wait, most_wrong=most_wrong)
