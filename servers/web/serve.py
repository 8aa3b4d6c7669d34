"""Becomes gunicorn: how every server's __main__ starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from servers.settings import ROOT, Door, Settings, SettingsError, settings
from servers.web.keys import check_exposure

CONFIG = ROOT / "config" / "gunicorn.conf.py"
UNIX = "unix:"


def serve(factory: str, *, bind: str, threads: int, also: Sequence[str] = ()) -> NoReturn:
    """Replaces this process by gunicorn serving `factory` ("servers.tts.app:create_app()").

    An address is "host:port" or "unix:/path". Raises SettingsError if `check_exposure` does.
    """
    command = [sys.executable, "-m", "gunicorn", "--config", str(CONFIG)]
    for address in (bind, *also):
        if not address.startswith(UNIX):
            check_exposure(address.rpartition(":")[0], settings())
        command += ["--bind", address]
    os.umask(0o077)  # what people say, and the socket, are their owner's alone
    os.execv(sys.executable, [*command, "--threads", str(threads), factory])


def serve_door(factory: str, section: Callable[[Settings], Door]) -> NoReturn:
    """`serve` where that section of the settings says; what is wrong with them is said in one line."""
    with startup() as loaded:
        door = section(loaded)
        serve(factory, bind=tcp_address(door.host, door.port), threads=door.threads)


def tcp_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def startup() -> Iterator[Settings]:
    """The settings; a SettingsError, here or inside, ends the process with its message as one line."""
    try:
        yield settings()
    except SettingsError as error:
        raise SystemExit(f"skylark: {error}") from None
