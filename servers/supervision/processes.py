"""The table of the processes. From it are made supervisord's configuration, what `skylark up` checks, waits
for and prints, what `skylark health` asks, the ports of --port-base, and the order in which all is stopped.

A new door is one entry here, with its section in settings/sections.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line reads the table at its start, and does not need the settings for that
    from servers.settings import Settings


class StopOrder(IntEnum):
    """Processes of one number are stopped at the same time, and lower numbers have ended before higher ones
    are told: requests in hand at a door end with an answer.
    """

    DOORS = 1
    ENGINE = 2


STOP_WAIT_S = {StopOrder.DOORS: 55, StopOrder.ENGINE: 45}
"""supervisord's stopwaitsecs: above the most of gunicorn's graceful_timeout, a door's with its stop_notice_s.
All of them together are the 100 s within which a container ends.
"""


ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


@dataclass(frozen=True)
class Process:
    name: str
    """In supervisord, in what the command line prints, and of its log."""
    module: str
    """What `python -m` runs."""
    port_setting: str | None
    """The setting of its port, in a section that has its host too. None: it has a socket, or no callers."""
    start_order: int
    """Lower ones are started first; nobody waits for them, since each can wait for the others itself."""
    stop_order: StopOrder
    ready_path: str | None
    """Answers 200 over HTTP once it can be used. None: nobody waits for it."""
    url_key: str | None = None
    """The key of server_config.json with its URL, for `skylark health`. None: that does not ask it."""
    knows_intake: bool = False
    """Whether it is told the secret by which the intake acts for others: who lets it in, and itself."""

    @property
    def port_variable(self) -> str:
        """The environment variable of its port."""
        assert self.port_setting is not None
        return f"SKYLARK_{self.port_setting.replace('.', '__').upper()}"

    def address(self, settings: Settings) -> tuple[str, int]:
        """The host and the port that it listens at."""
        assert self.port_setting is not None
        section = getattr(settings, self.port_setting.partition(".")[0])
        return section.host, section.port

    def reached_at(self, settings: Settings) -> tuple[str, int]:
        """The host and the port at which this machine reaches it."""
        host, port = self.address(settings)
        return ANY_ADDRESS.get(host, host), port

    def url(self, settings: Settings) -> str:
        """The same, of one that speaks HTTP."""
        host, port = self.reached_at(settings)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


PROCESSES = (
    Process("engine", "servers.engine", None, 1, StopOrder.ENGINE, "/health"),
    Process("tts", "servers.tts", "tts.port", 2, StopOrder.DOORS, "/ready", "server_url", True),
    Process(
        "whisperx", "servers.whisperx", "whisperx.port", 2, StopOrder.DOORS, "/ready", "whisper_url", True
    ),
)
MONITOR = Process("monitor", "servers.monitor", None, 3, StopOrder.ENGINE, None)
"""Runs where the settings name the appliance. It goes on while the doors end."""
INTAKE = Process("intake", "servers.intake", None, 3, StopOrder.DOORS, None, None, True)
"""Runs where the settings name the appliance's table. It hands back what it has in hand, and ends."""
PROXY = Process("proxy", "servers.proxy", "proxy.port", 3, StopOrder.DOORS, "/ready")
"""Serves the page, where the settings want that. It is a client of the doors, and ends with them."""
RPC = Process("rpc", "servers.rpc", "rpc.port", 3, StopOrder.DOORS, None)
"""Speaks gRPC, where its extra is installed. Its clients' streams go on with the next one."""
FINETUNE = Process("finetune", "servers.finetune", "finetune.port", 3, StopOrder.DOORS, "/ready")
"""Designs and clones voices. It is a door that the command line does not ask, and ends with the others."""
OPTIONAL = (MONITOR, INTAKE, RPC, FINETUNE, PROXY)
"""Each runs where the settings want it, and its loss ends nothing."""
DOORS = tuple(process for process in PROCESSES if process.port_setting)

DEFAULT_PORT_BASE = 5000
RPC_OFFSET, FINETUNE_OFFSET, PROXY_OFFSET = 2, 3, 10
"""Of their ports from the first door's: the doors may become more."""


def port_variables(base: int) -> dict[str, str]:
    """The environment that makes the first door listen at `base`, the next one at base + 1, and so on; the
    others listen at their offsets from it.
    """
    doors = {door.port_variable: str(base + n) for n, door in enumerate(DOORS)}
    offsets = {RPC: RPC_OFFSET, FINETUNE: FINETUNE_OFFSET, PROXY: PROXY_OFFSET}
    return doors | {process.port_variable: str(base + offset) for process, offset in offsets.items()}


def stop_groups(optional: Sequence[Process] = ()) -> list[tuple[StopOrder, list[Process]]]:
    """The processes that are stopped together, in the order in which that happens."""
    processes = (*PROCESSES, *optional)
    orders = sorted({process.stop_order for process in processes})
    return [(order, [each for each in processes if each.stop_order == order]) for order in orders]


def wanted(settings: Settings) -> list[Process]:
    """Of the optional ones."""
    wants = {
        MONITOR: settings.monitor.appliance is not None,
        INTAKE: settings.cloud.table is not None,
        RPC: settings.rpc.beside and find_spec("grpc") is not None,
        FINETUNE: settings.finetune.beside,
        PROXY: settings.proxy.beside,
    }
    return [process for process in OPTIONAL if wants[process]]


def served(settings: Settings) -> list[Process]:
    """Those that somebody uses and waits for: all but what works for nobody who is there."""
    return [*PROCESSES, *(process for process in wanted(settings) if process.port_setting)]


def may_be_lost(name: str) -> bool:
    """Whether the others go on without that process."""
    return any(process.name == name for process in OPTIONAL)
