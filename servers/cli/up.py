"""skylark up: starts everything, does the main job once, and serves until Ctrl-C."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Annotated

import typer

from servers.catalog import Catalog
from servers.cli import config, main_job
from servers.cli.appliance import Appliance, interruptible, sole_user
from servers.cli.client import Servers, Unreachable
from servers.cli.config import ClientConfig
from servers.cli.output import CommandFailed
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.settings import Settings, settings
from servers.supervision.processes import DOORS, PROCESSES, Process, port_variables

Questions = dict[str, Callable[[], object]]
"""By the name of a process; one raises Unreachable or SkylarkError until that is ready."""
DEFAULT_PORT_BASE = 5000
READY_S = 120.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def _enumerated(*words: str) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


LISTENS = _enumerated(
    f"{DOORS[0].name} listens at N", *(f"{door.name} at N+{n}" for n, door in enumerate(DOORS[1:], 1))
)


def up(
    once: Annotated[
        bool, typer.Option("--once", help="End after the main job, with everything stopped.")
    ] = False,
    port_base: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_536 - len(DOORS),
            help=f"{LISTENS}. Other than {DEFAULT_PORT_BASE}, the data is kept in a folder of its "
            "own, so that two can run side by side.",
            metavar="N",
            show_default="5000",
        ),
    ] = None,
) -> None:
    """Start Skylark: speak, align and transcribe examples/hello.txt, then serve until Ctrl-C."""
    if port_base is not None:
        _move(port_base)
    loaded = settings()
    Catalog.load(loaded.models_file)  # said here in one line, and not in the engine's log
    client = _client(loaded)
    loaded.data_dir.mkdir(parents=True, exist_ok=True)
    serving = False
    try:
        with interruptible(), sole_user(loaded.data_dir):
            for door in DOORS:
                _check_free(door.name, *door.address(loaded))
            names = _enumerated(*(process.name for process in PROCESSES))
            print(f"starting {names}; logs in {loaded.data_dir / 'logs'}", flush=True)
            with Appliance(loaded.data_dir) as appliance, Servers(client) as servers:
                with closing(JobsClient(loaded.engine_socket)) as engine:
                    _wait_until_ready(appliance, _questions(loaded, servers, engine))
                main_job.run(servers)
                main_job.invite(client, {door.name: _url(door, loaded) for door in DOORS})
                if not once:
                    print("serving until Ctrl-C", flush=True)
                    serving = True
                    _watch(appliance)
                print("stopping", flush=True)
    except KeyboardInterrupt:
        if not serving:
            raise
    print("stopped", flush=True)


def _move(port_base: int) -> None:
    """Puts ports and data where `port_base` says, for this process and all that it starts."""
    if port_base != DEFAULT_PORT_BASE:
        os.environ.setdefault("SKYLARK_DATA_DIR", str(Settings().data_dir / str(port_base)))
    os.environ.update(port_variables(port_base))


def _client(loaded: Settings) -> ClientConfig:
    """How to call the servers that are about to start."""
    key = loaded.api_key or config.load().api_key
    if loaded.api_keys and not key:
        raise CommandFailed(
            "api_keys: only the hashes of the keys are known here, and a key is needed to speak the example: "
            "set TTS_API_KEY"
        )
    urls = {door.url_key: _url(door, loaded) for door in DOORS if door.url_key}
    return ClientConfig.model_validate(urls | {"api_key": key})


def _url(door: Process, loaded: Settings) -> str:
    host, port = door.address(loaded)
    host = ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _check_free(name: str, host: str, port: int) -> None:
    """Raises CommandFailed if something listens there, or nothing may."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise CommandFailed(
            f"port {port} ({name}): {error.strerror}: "
            "end what uses it, or choose other ports with --port-base N"
        ) from None


def _questions(loaded: Settings, servers: Servers, engine: JobsClient) -> Questions:
    """What to ask each process that can be asked; the engine answers on its socket."""
    return {
        process.name: partial(servers.get, f"{_url(process, loaded)}{process.ready_path}")
        if process.port_setting
        else engine.health
        for process in PROCESSES
        if process.ready_path
    }


def _wait_until_ready(appliance: Appliance, questions: Questions) -> None:
    """Prints a line for each. Raises CommandFailed when one cannot get ready, or not in time."""
    begun = time.monotonic()
    waiting, trouble = dict(questions), ""
    while waiting:
        elapsed_s = time.monotonic() - begun
        if elapsed_s > READY_S:
            raise CommandFailed(f"not ready after {READY_S:.0f} s: {', '.join(waiting)}: {trouble}")
        appliance.check()
        for name, ask in list(waiting.items()):
            try:
                ask()
            except (Unreachable, SkylarkError) as error:
                trouble = str(error)
                continue
            del waiting[name]
            print(f"{time.monotonic() - begun:6.1f} s  {name} is ready", flush=True)
        time.sleep(0.1)


def _watch(appliance: Appliance) -> None:
    while True:
        appliance.check()
        time.sleep(1.0)
