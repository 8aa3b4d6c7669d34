"""skylark up: starts everything, does the main job once, and serves until Ctrl-C."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
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
from servers.settings import Door, Settings, settings

DEFAULT_PORT_BASE = 5000
READY_S = 120.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def up(
    once: Annotated[
        bool, typer.Option("--once", help="End after the main job, with everything stopped.")
    ] = False,
    port_base: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_534,
            help="tts listens at N and whisperx at N+1. Other than 5000, the data is kept in a folder of its "
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
            for name, door in _doors(loaded).items():
                _check_free(name, door)
            print(f"starting engine, tts and whisperx; logs in {loaded.data_dir / 'logs'}", flush=True)
            with Appliance(loaded.data_dir) as appliance, Servers(client) as servers:
                with closing(JobsClient(loaded.engine_socket)) as engine:
                    _wait_until_ready(appliance, servers, engine)
                main_job.run(servers)
                main_job.invite(client)
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
    os.environ["SKYLARK_TTS__PORT"] = str(port_base)
    os.environ["SKYLARK_WHISPERX__PORT"] = str(port_base + 1)


def _doors(loaded: Settings) -> dict[str, Door]:
    return {"tts": loaded.tts, "whisperx": loaded.whisperx}


def _client(loaded: Settings) -> ClientConfig:
    """How to call the servers that are about to start."""
    key = loaded.api_key or config.load().api_key
    if loaded.api_keys and not key:
        raise CommandFailed(
            "api_keys: only the hashes of the keys are known here, and a key is needed to speak the example: "
            "set TTS_API_KEY"
        )
    return ClientConfig(server_url=_url(loaded.tts), whisper_url=_url(loaded.whisperx), api_key=key)


def _url(door: Door) -> str:
    host = ANY_ADDRESS.get(door.host, door.host)
    return f"http://[{host}]:{door.port}" if ":" in host else f"http://{host}:{door.port}"


def _check_free(name: str, door: Door) -> None:
    """Raises CommandFailed if something listens there, or nothing may."""
    try:
        family, _, _, _, address = socket.getaddrinfo(door.host or None, door.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise CommandFailed(
            f"port {door.port} ({name}): {error.strerror}: "
            "end what uses it, or choose other ports with --port-base N"
        ) from None


def _wait_until_ready(appliance: Appliance, servers: Servers, engine: JobsClient) -> None:
    """Prints a line for each stage. Raises CommandFailed when one cannot get ready, or not in time."""
    begun = time.monotonic()
    waiting: dict[str, Callable[[], object]] = {
        "engine": engine.health,
        "tts": lambda: servers.get(f"{servers.tts}/ready"),
        "whisperx": lambda: servers.get(f"{servers.whisperx}/ready"),
    }
    trouble = ""
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
