"""Releases an image to an appliance, or goes back to the one before: scripts/release [IMAGE] [OPTION …]."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from appliance.table import Table
from release import names
from release.balancer import Balancer
from release.begin import Wish, begin, weights
from release.faults import Refused, ReleaseFault
from release.image import build, find_engine, keep, release_name
from release.loop import Loop, World, sentence
from release.machine import Machine
from release.names import Names
from release.plan import DEFAULTS, Limits
from release.record import Record
from release.smoke import smoke

PATIENCE = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
Client = Callable[[str], Any]
IN_PLACE = (
    "in place: the old one ends first, and all clients are led at once (--side-by-side: both run meanwhile)"
)
SIDE_BY_SIDE = "side by side: the GPU has memory for both meanwhile (--in-place: the old one ends first)"


def release(
    image: Annotated[
        str | None,
        typer.Argument(
            help="An image of this machine, or one of the appliance's repository; else one is built."
        ),
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Go back to the image before, in one step.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a release that was killed.")] = False,
    name: Annotated[str, typer.Option(help="The appliance.")] = "speech",
    variant: Annotated[str, typer.Option(help="What is built: cuda or cpu.")] = "cuda",
    steps: Annotated[str, typer.Option(help="The percentages of requests that it gets.")] = "100",
    pause: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Look so long at its errors after each step.")
    ] = 60.0,
    most_errors: Annotated[
        float, typer.Option(metavar="RATE", min=0, max=1, help="The rate of errors that it may have then.")
    ] = DEFAULTS.most_errors,
    in_place: Annotated[
        bool | None,
        typer.Option(
            "--in-place/--side-by-side",
            help="End the old one first, or let both run meanwhile; else as the GPU has memory.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start IMAGE in the machine's free place, smoke it, and lead the clients there; the old one ends then.

    What fails leaves the old one serving. The key for the smoke test is TTS_API_KEY.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _release(image, back, resume, name, variant, steps, pause, most_errors, in_place)
    except (ClientError, BotoCoreError) as fault:
        _fail(sentence(fault), 1)
    except ReleaseFault as fault:
        _fail(str(fault), 2 if isinstance(fault, Refused) else 1)
    except KeyboardInterrupt:
        _fail("interrupted: go on with scripts/release --resume, or undo it with scripts/release --back", 130)


def _release(
    image: str | None,
    back: bool,
    resume: bool,
    name: str,
    variant: str,
    steps: str,
    pause: float,
    most_errors: float,
    in_place: bool | None,
) -> None:
    if back + resume + (image is not None) > 1:
        raise Refused("give IMAGE, --back or --resume")
    if not os.environ.get("TTS_API_KEY"):
        raise Refused("TTS_API_KEY is not set: the smoke test needs a key of the appliance")

    def client(service: str) -> Any:
        return boto3.client(service, config=PATIENCE)

    found = names.read(name, client("lambda"))
    by = client("sts").get_caller_identity()["Arn"].rpartition("/")[2]
    if in_place is None:
        in_place = not found.fits_two
    if not resume:
        print(IN_PLACE if in_place else SIDE_BY_SIDE, flush=True)
    wish = Wish(back, resume, weights(steps), pause, in_place, by)
    run(wish, found, client, lambda: _image(image, variant, found, client), Limits(most_errors=most_errors))


def _image(image: str | None, variant: str, found: Names, client: Client) -> str:
    named = os.environ.get("CONTAINER_ENGINE")
    wanted = image or build(variant)
    return release_name(found.repository, wanted, client("ecr"), lambda: find_engine(named))


def run(
    wish: Wish,
    found: Names,
    client: Client,
    image: Callable[[], str],
    limits: Limits = DEFAULTS,
    smoked: Callable[[str, str], str] = smoke,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """One release, to its end; one that cannot be ended now can be gone on with at once."""
    ssm, record = client("ssm"), Record(Table(client("dynamodb"), found.table), clock)
    before = record.read()
    parameter = ssm.get_parameter(Name=found.release_parameter)["Parameter"]["Value"]
    wanted = begin(wish, before, parameter, clock(), image)
    machine, balancer = Machine(found, client), Balancer(found, client)
    ecr = client("ecr")
    world = World(
        found,
        machine,
        balancer,
        ssm,
        lambda kept: keep(found.repository, kept, ecr),
        smoked,
        print,
        clock,
        sleep,
        limits,
    )
    loop = Loop(world, record, wanted)
    record.begin(wanted, before)
    try:
        loop.run()
    finally:
        loop.let_go()


def _fail(said: str, code: int) -> None:
    print(f"skylark: {said}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command()(release)
    app(prog_name="scripts/release")
