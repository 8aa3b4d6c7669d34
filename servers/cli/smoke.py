"""skylark smoke: whether servers do what they are for, in one short pass, whoever runs them and wherever."""

from __future__ import annotations

from typing import Annotated

import typer

from servers.cli import options
from servers.cli.failures import WrongUsage


def smoke(
    config_file: options.Config = None,
    server: options.Server = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait so long for them to be ready.")
    ] = 0.0,
    most_wrong: Annotated[
        float, typer.Option(metavar="RATE", min=0, help="The word error rate that is still taken.")
    ] = 0.3,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="Send this header with each request; again for another."),
    ] = None,
    start_gpu: options.StartGpu = False,
) -> None:
    """Speak, hear it again, align it, check the keys, and be refused; the exit code is 1 when one fails."""
    from servers.cli import config
    from servers.cli.smoke_checks import check

    headers = dict(map(_header, header or []))
    client = config.load(config_file, server)
    if start_gpu:
        from servers.cli.start_gpu import ensure_ready

        ensure_ready(client, "skylark smoke", list(client.urls()))
    check(client, wait_s=wait, most_wrong=most_wrong, headers=headers)


def _header(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not (name.strip() and colon and value.strip() and given.isascii() and given.isprintable()):
        raise WrongUsage(f"--header: {given!r} is not as 'X-Skylark-Place: green'")
    return name.strip(), value.strip()
