"""A machine that is started and waited for: its stages are shown as they pass, then its doors are asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from servers.cli import machine_text
from servers.cli.client import Servers
from servers.cli.durations import spoken
from servers.cli.failures import CommandFailed, MachineOff, NoMachine, Unreachable
from servers.cli.machine_client import MachineClient, Status, read
from servers.cli.output import complain
from servers.errors import Forbidden, SkylarkError, Unauthorized
from servers.server_config import ClientConfig

if TYPE_CHECKING:
    from rich.console import RenderableType

POLL_S = 2.0
HOLD_S = 900.0
PATIENCE_S = 1800.0
MISSES = 15
"""So many answers in a row may be missing: the balancer, the network and the function are many miles away."""
DOORS_S = 120.0
"""The doors are behind the balancer at once; it needs a few looks at them."""
GOES_ON = "the start goes on: `skylark gpu status` shows it, `skylark stop-gpu` ends it"
Show = Callable[[Status], None]


class Verdict(Enum):
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"
    GOES_ON = "goes_on"


def verdict(seen: Status, was_starting: bool) -> Verdict:
    """What becomes of a start that is watched:

    1. It is ready. 2. It was given up. 3. It is off, or on its way there, after it had begun: somebody
    stopped it. 4. Else it goes on; one that is stopping when a start is asked for starts when it has stopped.
    """
    if seen.state == "ready":
        return Verdict.READY  # 1
    if seen.state == "failed":
        return Verdict.FAILED  # 2
    if was_starting and seen.state in ("off", "stopping"):
        return Verdict.STOPPED  # 3
    return Verdict.GOES_ON  # 4


@dataclass(frozen=True)
class Wish:
    """Who starts it says why, for how long it is to stay, and how long they wait."""

    why: str
    hold_s: float = HOLD_S
    patience_s: float = PATIENCE_S


def ensure_ready(client: ClientConfig, why: str, doors: Sequence[str]) -> None:
    """--start-gpu: nothing where the doors serve already, else they do when this returns.

    Raises CommandFailed, NoMachine, Unreachable or SkylarkError.
    """
    waiting = _not_ready(client, doors)
    if not waiting:
        complain("it is ready: nothing was to be started")
        return
    try:
        with MachineClient(client) as machine:
            started = start(machine, Wish(why))
    except NoMachine as error:
        raise NoMachine(f"{_told(waiting)}; and {error}") from None
    wait_for_doors(client, doors)
    complain(machine_text.outcome(read(started), time.time()))


def start(machine: MachineClient, wish: Wish) -> dict[str, Any]:
    """The machine's answer once it is ready; shows on stderr how it gets there. Ctrl-C leaves the start going
    on, and says so.
    """
    before = read(machine.status())
    if before.state == "starting":
        complain(f"{machine_text.who_asked(before, time.time())}: joining that start")
    asked = machine.start(why=wish.why, hold_s=wish.hold_s)
    try:
        return _watch(machine, asked, wish.patience_s)
    except KeyboardInterrupt:
        complain(GOES_ON)
        raise


def _watch(machine: MachineClient, answer: dict[str, Any], patience_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + patience_s
    was_starting = False
    with _shown() as show:
        while True:
            seen = read(answer)
            show(seen)
            _check(verdict(seen, was_starting), seen)
            if seen.state == "ready":
                return answer
            was_starting = was_starting or seen.state == "starting"
            if time.monotonic() > deadline:
                raise CommandFailed(f"not ready after {spoken(patience_s)}: {_where(seen)}; {GOES_ON}")
            answer = _next(machine, deadline)


def _check(found: Verdict, seen: Status) -> None:
    """Raises CommandFailed, with what a person has to do."""
    now = time.time()
    if found is Verdict.FAILED:
        why = machine_text.fault_line(seen.fault, now) if seen.fault else "nothing says why"
        raise CommandFailed(
            f"the start was given up: {why}; once that is mended, `skylark start-gpu` tries again"
        )
    if found is Verdict.STOPPED:
        who = machine_text.who_stopped(seen.stopped, now) if seen.stopped else "`skylark gpu ledger` says who"
        raise CommandFailed(f"it was stopped while it started: {who}")


def _where(seen: Status) -> str:
    at = machine_text.STAGES.get(seen.stage or "", seen.stage or seen.state)
    return f"it is at {at}" + (f" ({seen.fault.message})" if seen.fault else "")


def _next(machine: MachineClient, deadline: float) -> dict[str, Any]:
    """Some answers may be missing. Raises the last of MISSES failures in a row, or the first one after the
    deadline; at once what will not pass by itself.
    """
    for _ in range(MISSES - 1):
        time.sleep(POLL_S)
        try:
            return machine.look()
        except (NoMachine, Unauthorized, Forbidden):
            raise
        except (Unreachable, SkylarkError):
            if time.monotonic() > deadline:
                raise
    time.sleep(POLL_S)
    return machine.look()


def wait_for_doors(client: ClientConfig, doors: Sequence[str]) -> None:
    """Until each one's /ready is 200. Raises CommandFailed where they are not in DOORS_S."""
    deadline = time.monotonic() + DOORS_S
    while waiting := _not_ready(client, doors):
        if time.monotonic() > deadline:
            raise CommandFailed(
                f"the machine is ready, and its servers are not reached through {_told(waiting)}"
            )
        time.sleep(POLL_S)


def _not_ready(client: ClientConfig, doors: Sequence[str]) -> dict[str, str]:
    """The doors that do not serve, with what came in place of that."""
    waiting = {}
    with Servers(client) as servers:
        for name in doors:
            try:
                servers.get(f"{client.urls()[name]}/ready")
            except (SkylarkError, MachineOff, Unreachable) as error:
                waiting[name] = str(error)
    return waiting


def _told(waiting: dict[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in waiting.items())


def doors_beside(client: ClientConfig) -> list[str]:
    """Those at the host of the machine's face: its own."""
    host = urlsplit(client.server_url).netloc
    return [name for name, url in client.urls().items() if urlsplit(url).netloc == host]


@contextmanager
def _shown() -> Iterator[Show]:
    """On stderr: a table that changes where somebody looks, else lines."""
    if sys.stderr.isatty():
        with _live() as show:
            yield show
    else:
        before: Status | None = None

        def show(seen: Status) -> None:
            nonlocal before
            for line in machine_text.news(before, seen, time.time()):
                print(line, file=sys.stderr, flush=True)
            before = seen

        yield show


@contextmanager
def _live() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with Live(console=console, refresh_per_second=8) as live:
        yield lambda seen: live.update(_picture(seen, time.time()), refresh=True)


def _picture(seen: Status, now: float) -> RenderableType:
    from rich.console import Group
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 1))
    for stage in seen.stages:
        mark = Spinner("dots") if stage.state == "running" else machine_text.MARKS.get(stage.state, " ")
        style = {"done": "green", "running": "bold", "waiting": "dim"}.get(stage.state, "")
        rows.add_row(mark, Text(machine_text.stage_line(stage), style=style))
    below = []
    if seen.state == "starting" and seen.asked_by:
        below.append(Text(machine_text.who_asked(seen, now), style="dim"))
    if seen.left_s is not None:
        below.append(Text(f"about {spoken(seen.left_s)} left"))
    if seen.fault:
        below.append(Text(machine_text.fault_line(seen.fault, now), style="yellow"))
    return Group(rows, *below)
