"""Becomes gunicorn: how every server's __main__ starts."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from servers.settings import ROOT, HttpServer, Settings, SettingsError, settings
from servers.web.keys import check_exposure

CONFIG = ROOT / "config" / "gunicorn.conf.py"
UNIX = "unix:"


def serve(
    factory: str,
    *,
    bind: str,
    threads: int,
    also: Sequence[str] = (),
    stop_notice_s: float = 0,
    check: Callable[[str, Settings], None] = check_exposure,
) -> NoReturn:
    """Replaces this process by gunicorn serving `factory` ("servers.tts.app:create_app()").

    An address is "host:port" or "unix:/path". `check` raises SettingsError for a host at which it may not
    listen.
    """
    command = [sys.executable, "-m", "gunicorn", "--config", str(CONFIG)]
    if stop_notice_s:
        command += ["--graceful-timeout", str(math.ceil(graceful_s(settings()) + stop_notice_s))]
    for address in (bind, *also):
        if not address.startswith(UNIX):
            check(address.rpartition(":")[0], settings())
        command += ["--bind", address]
    if folder := os.environ.get("TMPDIR"):  # in a container's volume, which is empty at first
        Path(folder).mkdir(parents=True, exist_ok=True)
    os.umask(0o077)  # what people say, and the socket, are their owner's alone
    os.execv(sys.executable, [*command, "--threads", str(threads), factory])


def serve_door(factory: str, section: Callable[[Settings], HttpServer]) -> NoReturn:
    """`serve` where that section of the settings says; what is wrong with them is said in one line."""
    with startup() as loaded:
        door = section(loaded)
        serve(
            factory,
            bind=tcp_address(door.host, door.port),
            threads=door.threads,
            stop_notice_s=loaded.web.stop_notice_s,
        )


def graceful_s(loaded: Settings) -> float:
    """gunicorn's graceful_timeout, which supervisord's stopwaitsecs is above: of a door for its requests in
    hand, of the engine for its runners.
    """
    return loaded.engine.drain_s + 10


def tcp_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def startup() -> Iterator[Settings]:
    """The settings; a SettingsError, here or inside, ends the process with its message as one line."""
    try:
        yield settings()
    except SettingsError as error:
        raise SystemExit(f"skylark: {error}") from None
