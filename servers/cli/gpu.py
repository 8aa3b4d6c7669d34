"""skylark start-gpu, stop-gpu and gpu: the machine in the cloud, started, stopped, held, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servers.cli import options
from servers.cli.output import EXIT_CODES, print_json

if TYPE_CHECKING:  # a command's help does not wait for them
    from servers.server_config import ClientConfig

app = typer.Typer(
    help="The machine in the cloud: how it is, who holds it, what it cost.", no_args_is_help=True
)
Why = Annotated[str | None, typer.Option(help="What it is for; the ledger sums up by that.")]
Machine = Annotated[
    str | None,
    typer.Option(
        "--machine",
        metavar="URL",
        help="What starts and stops it, where that is not /machine at the servers' host.",
    ),
]


def start_gpu(
    why: Why = None,
    hold: Annotated[str, typer.Option(metavar="DURATION", help="Keep it so long, without work too.")] = "15m",
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="Wait so long; the start goes on after that.")
    ] = "30m",
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    machine: Machine = None,
) -> None:
    """Start the machine, and wait until it is ready; whoever is the second joins the first one's start."""
    from servers.cli import durations

    hold_s, patience_s = (
        durations.seconds_of(hold, of="--hold: "),
        durations.seconds_of(timeout, of="--timeout: "),
    )
    client = _client(config_file, server, machine)
    _start(client, why or "start-gpu", hold_s, patience_s, json=json)


def _start(client: ClientConfig, why: str, hold_s: float, patience_s: float, *, json: bool) -> None:
    import time

    from servers.cli import machine_text
    from servers.cli.machine_client import MachineClient, read
    from servers.cli.start_gpu import Wish, doors_beside, start, wait_for_doors

    with MachineClient(client) as machine:
        answer = start(machine, Wish(why, hold_s, patience_s))
    wait_for_doors(client, doors_beside(client))
    if json:
        print_json(answer)
    else:
        print(machine_text.outcome(read(answer), time.time()))


def stop_gpu(
    force: Annotated[bool, typer.Option("--force", help="Also while it works, or others hold it.")] = False,
    why: Why = None,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    machine: Machine = None,
) -> None:
    """Stop the machine, and take the own hold away; not while it works or others hold it."""
    from servers.cli.machine_client import MachineClient

    with MachineClient(_client(config_file, server, machine)) as client:
        answer = client.stop(why=why, force=force)
    _print(answer, json=json)


def status(
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    machine: Machine = None,
) -> None:
    """Show how the machine is; the exit code is 1 where its start was given up."""
    from servers.cli.failures import CommandFailed
    from servers.cli.machine_client import MachineClient

    with MachineClient(_client(config_file, server, machine)) as client:
        answer = client.status()
    _print(answer, json=json)
    if answer.get("state") == "failed":
        raise CommandFailed("the start was given up: `skylark start-gpu` tries again")


def hold(
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="2h, 45m, 1d; 0 takes the hold away.")],
    why: Why = None,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    machine: Machine = None,
) -> None:
    """Keep the machine for some time, without work too; others' holds stay as they are."""
    from servers.cli import durations
    from servers.cli.machine_client import MachineClient

    for_s = durations.seconds_of(duration)
    with MachineClient(_client(config_file, server, machine)) as client:
        answer = client.hold(for_s, why=why)
    _print(answer, json=json)


def ledger(
    days: Annotated[int, typer.Option(min=1, help="So far back.")] = 31,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    machine: Machine = None,
) -> None:
    """Show each run of the machine, why, for whom and what it cost, with the sums."""
    from servers.cli.machine_client import MachineClient
    from servers.errors import SkylarkError

    with MachineClient(_client(config_file, server, machine)) as client:
        answer = client.ledger(days)
    if json:
        print_json(answer)
        return
    try:
        lines = list(_ledger_lines(answer["totals"]))
    except (KeyError, TypeError) as error:
        raise SkylarkError(f"what the machine answered is no ledger: {error!r}") from None
    for line in lines:
        print(line)


def _ledger_lines(totals: dict[str, Any]) -> Iterator[str]:
    import time

    from servers.cli import ledger_text
    from servers.cli.output import table_lines

    if totals["runs"]:
        yield from table_lines(ledger_text.HEADINGS, ledger_text.run_rows(totals["runs"], time.time()))
        yield ""
    else:
        yield "the machine did not run"
    yield from ledger_text.total_lines(totals)


def _print(answer: dict[str, Any], *, json: bool) -> None:
    import time

    from servers.cli import machine_text
    from servers.cli.machine_client import read

    if json:
        print_json(answer)
    else:
        for line in machine_text.status_lines(read(answer), time.time()):
            print(line)


def _client(config_file: Path | None, server: str | None, machine: str | None) -> ClientConfig:
    """Where the servers are, and what starts their machine: they are at its host where nobody says more.

    Raises WrongUsage where nobody said which appliance is meant: localhost has no machine to start.
    """
    from dataclasses import replace
    from urllib.parse import urljoin

    from servers.cli import config
    from servers.cli.failures import WrongUsage
    from servers.server_config import ClientConfig

    try:
        elsewhere = ClientConfig(machine_url=machine).machine_url
    except ValueError as error:
        raise WrongUsage(str(error).replace("machine_url", "--machine")) from None
    found = config.named(config_file, server)
    if found is None and elsewhere is not None:
        found = config.named(server=urljoin(elsewhere, "/"))
    if found is None:
        raise WrongUsage(
            "no server is configured: say with --server https://gpu.example.com, or in server_config.json, "
            "which appliance is meant"
        )
    return found if elsewhere is None else replace(found, machine_url=elsewhere)


for command in (status, hold, ledger):
    app.command(epilog=EXIT_CODES)(command)
