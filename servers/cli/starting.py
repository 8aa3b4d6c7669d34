"""What `skylark up` does: starts everything, waits until it is ready, and stops it again."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial

from servers.catalog import Catalog
from servers.cli import config, main_job
from servers.cli.appliance import Appliance, sole_user
from servers.cli.checks import check_free, check_needed, check_settings
from servers.cli.client import Servers
from servers.cli.default_models import pull_missing
from servers.cli.failures import CommandFailed, Unreachable
from servers.cli.interruptions import interruptible
from servers.cli.loading_ahead import load_ahead
from servers.cli.output import complain
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.server_config import ClientConfig
from servers.settings import ROOT, Settings, settings
from servers.supervision.processes import (
    DEFAULT_PORT_BASE,
    DOORS,
    FINETUNE,
    PROXY,
    RPC,
    Process,
    port_variables,
    served,
)
from servers.supervision.running import Running, announced
from servers.web.serve import tcp_address

Questions = dict[str, Callable[[], object]]
"""By the name of a process; one raises Unreachable or SkylarkError until that is ready."""
READY_S = 120.0
CONNECT_S = 2.0


def start(port_base: int | None, *, once: bool) -> None:
    """Returns once everything has stopped again: after the main job, or when Ctrl-C ends the serving.

    Raises SettingsError or CommandFailed for what keeps it from starting, and from going on.
    """
    if port_base is not None:
        _move(port_base)
    loaded = settings()
    check_settings(loaded)
    client = _client(loaded)
    loaded.data_dir.mkdir(parents=True, exist_ok=True)
    with interruptible(), sole_user(loaded.data_dir):
        for process in served(loaded):
            if process.port_setting:
                check_free(process, loaded)
        pull_missing(loaded)
        check_needed(loaded)
        with _appliance(loaded) as appliance, _announced(loaded), Servers(client) as servers:
            with closing(JobsClient(loaded.engine_socket)) as engine:
                _wait_until_ready(appliance, _questions(loaded, servers, engine), _patience_s(loaded))
            load_ahead(main_job.TASKS, main_job.LANGUAGE, loaded)
            main_job.run(servers, loaded.data_dir)
            main_job.invite(client, _addresses(loaded), _page(loaded))
            if not once:
                _serve(appliance)
    print("stopped", flush=True)


@contextmanager
def _appliance(loaded: Settings) -> Iterator[Appliance]:
    names = [process.name for process in served(loaded)]
    print(f"starting {', '.join(names[:-1])} and {names[-1]}; logs in {loaded.data_dir / 'logs'}", flush=True)
    with Appliance(loaded) as appliance:
        yield appliance


@contextmanager
def _announced(loaded: Settings) -> Iterator[None]:
    """The command line finds it from any folder; where it cannot, that is said, and the rest goes on."""
    urls = {door.url_key: door.url(loaded) for door in DOORS if door.url_key}
    engine = str(loaded.engine_socket)
    with ExitStack() as stack:
        try:
            stack.enter_context(
                announced(
                    Running(
                        os.getpid(),
                        str(ROOT),
                        str(loaded.data_dir),
                        engine,
                        urls,
                        _page(loaded),
                        _rpc(loaded),
                    )
                )
            )
        except OSError as error:
            only = "commands find these servers with --server and --socket only"
            complain(f"{error.filename}: {error.strerror}: {only}")
        yield


def _addresses(loaded: Settings) -> dict[str, str]:
    """Where the doors are reached, as people name that."""
    addresses = {door.name: door.url(loaded) for door in DOORS}
    if (rpc := _rpc(loaded)) is not None:
        addresses[RPC.name] = rpc
    if FINETUNE in served(loaded):
        addresses[FINETUNE.name] = FINETUNE.url(loaded)
    return addresses


def _rpc(loaded: Settings) -> str | None:
    return tcp_address(*RPC.reached_at(loaded)) if RPC in served(loaded) else None


def _page(loaded: Settings) -> str | None:
    return PROXY.url(loaded) if loaded.proxy.beside else None


def _move(port_base: int) -> None:
    """Puts ports and data where `port_base` says, for this process and all that it starts."""
    if port_base != DEFAULT_PORT_BASE:
        os.environ.setdefault("SKYLARK_DATA_DIR", str(settings().data_dir / str(port_base)))
    os.environ.update(port_variables(port_base))
    settings.cache_clear()


def _client(loaded: Settings) -> ClientConfig:
    """How to call the servers that are about to start."""
    key = loaded.api_key or config.known_key()
    if loaded.api_keys and not key:
        raise CommandFailed(
            "api_keys: only the hashes of the keys are known here, and a key is needed to speak the example: "
            "set TTS_API_KEY"
        )
    urls = {door.url_key: door.url(loaded) for door in DOORS if door.url_key}
    return ClientConfig(**urls, api_key=key)


def _questions(loaded: Settings, servers: Servers, engine: JobsClient) -> Questions:
    """What to ask each process; the engine answers on its socket, and rpc speaks no HTTP."""

    def question(process: Process) -> Callable[[], object]:
        if process is RPC:
            return partial(_connect, process.reached_at(loaded))
        if process.port_setting:
            return partial(servers.get, f"{process.url(loaded)}{process.ready_path}")
        return engine.health

    return {process.name: question(process) for process in served(loaded)}


def _connect(address: tuple[str, int]) -> None:
    """Raises Unreachable where nobody listens."""
    try:
        socket.create_connection(address, timeout=CONNECT_S).close()
    except OSError as error:
        raise Unreachable(f"{tcp_address(*address)}: {error.strerror or error}") from None


def _patience_s(loaded: Settings) -> float:
    """A door is ready only once all that is to be loaded at the start has been."""
    at_start = [model for model in Catalog.load(loaded.models_file) if model.pin or model.preload]
    return READY_S + len(at_start) * loaded.engine.load_timeout_s


def _wait_until_ready(appliance: Appliance, questions: Questions, patience_s: float) -> None:
    """Prints a line for each. Raises CommandFailed when one cannot get ready, or not in time."""
    begun = time.monotonic()
    waiting, trouble = dict(questions), ""
    while waiting:
        elapsed_s = time.monotonic() - begun
        if elapsed_s > patience_s:
            raise CommandFailed(f"not ready after {patience_s:.0f} s: {', '.join(waiting)}: {trouble}")
        appliance.check(starting=True)
        for name, ask in list(waiting.items()):
            try:
                ask()
            except (Unreachable, SkylarkError) as error:
                trouble = str(error)
                continue
            del waiting[name]
            print(f"{time.monotonic() - begun:6.1f} s  {name} is ready", flush=True)
        time.sleep(0.1)


def _serve(appliance: Appliance) -> None:
    """Until Ctrl-C, which is how it is meant to end. Raises CommandFailed as `check` does."""
    with suppress(KeyboardInterrupt):
        print("serving until Ctrl-C", flush=True)
        while True:
            appliance.check()
            time.sleep(1.0)
