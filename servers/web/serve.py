"""Becomes gunicorn: how every server's __main__ starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from servers.settings import ROOT, Door, Settings, SettingsError, settings
from servers.web.keys import check_exposure

CONFIG = ROOT / "config" / "gunicorn.conf.py"
UNIX = "unix:"


def serve(factory: str, *, bind: str, threads: int) -> NoReturn:
    """Replaces this process by gunicorn serving `factory` ("servers.tts.app:create_app()").

    `bind` is "host:port" or "unix:/path". Raises SettingsError if `check_exposure` does.
    """
    if not bind.startswith(UNIX):
        check_exposure(bind.rpartition(":")[0], settings())
    command = [sys.executable, "-m", "gunicorn", "--config", str(CONFIG)]
    os.execv(sys.executable, [*command, "--bind", bind, "--threads", str(threads), factory])


def serve_door(factory: str, section: Callable[[Settings], Door]) -> NoReturn:
    """`serve` where that section of the settings says; what is wrong with them is said in one line."""
    with startup() as loaded:
        door = section(loaded)
        host = f"[{door.host}]" if ":" in door.host else door.host
        serve(factory, bind=f"{host}:{door.port}", threads=door.threads)


@contextmanager
def startup() -> Iterator[Settings]:
    """The settings; a SettingsError, here or inside, ends the process with its message as one line."""
    try:
        yield settings()
    except SettingsError as error:
        raise SystemExit(f"skylark: {error}") from None
