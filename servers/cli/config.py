"""Where a command calls the servers, and with which key: the first that says so."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from servers.api_keys import sendable
from servers.cli import here
from servers.cli.failures import ConfigError, WrongUsage
from servers.errors import SettingsError
from servers.server_config import NAME, ClientConfig, http_url, read
from servers.supervision.processes import DOORS


def load(file: Path | None = None, server: str | None = None) -> ClientConfig:
    """How to call the servers. Whichever is first says where they are:

    1. `server`, a URL; 2. `file`; 3. $SKYLARK_SERVER_CONFIG; 4. server_config.json here or in
    ~/.config/skylark/; 5. the `skylark up` that runs from this checkout; 6. localhost, ports 5000 and 5001.

    TTS_API_KEY in the environment wins over a file's api_key. Raises ConfigError or WrongUsage; a file that
    was named has to exist.
    """
    return named(file, server) or _with_key(ClientConfig())


def named(file: Path | None = None, server: str | None = None) -> ClientConfig | None:
    """As `load`, but None where only localhost, 6., is left."""
    if server and file:
        raise WrongUsage("give --server or --config, not both")
    found = _of_server(server) if server else _of_file(file) or _of_appliance()
    return _with_key(found) if found else None


def _with_key(found: ClientConfig) -> ClientConfig:
    return found.with_key(_own_key())


def known_key() -> str | None:
    """The key that a command would send: TTS_API_KEY, or the one of the file that it would read."""
    found = _of_file(None)
    return _own_key() or (found.api_key if found else None)


def _own_key() -> str | None:
    """The environment's. Raises ConfigError."""
    try:
        return sendable(os.environ.get("TTS_API_KEY", "")) or None
    except ValueError as error:
        raise ConfigError(f"TTS_API_KEY: {error}") from None


def _of_server(url: str) -> ClientConfig:
    """With a port it is the first door's, and the others listen at those after it, as `up` has it. Without
    one it is a load balancer's, which has a path for each.
    """
    try:
        base = http_url("--server", url)
        port, path = urlsplit(base).port, urlsplit(base).path
    except ValueError as error:
        raise WrongUsage(str(error) if str(error).startswith("--server") else f"--server: {error}") from None
    if port is None or path:
        urls = {door.url_key: f"{base}/{door.name}" for door in DOORS if door.url_key}
    else:
        stem = base.removesuffix(f":{port}")
        urls = {door.url_key: f"{stem}:{port + n}" for n, door in enumerate(DOORS) if door.url_key}
    return ClientConfig(**urls)


def _of_file(named: Path | None) -> ClientConfig | None:
    path = file(named)
    return None if path is None else of(path)


def file(named: Path | None = None) -> Path | None:
    """The file that a command reads, by 2. to 4. of `load`; None where there is none."""
    variable = os.environ.get("SKYLARK_SERVER_CONFIG")
    return named or (Path(variable) if variable else _first_existing())


def _first_existing() -> Path | None:
    places = [Path(NAME), Path.home() / ".config" / "skylark" / NAME]
    return next((place for place in places if place.is_file()), None)


def _of_appliance() -> ClientConfig | None:
    appliance = here.running_here()
    return None if appliance is None else ClientConfig(**appliance.urls)


def of(path: Path) -> ClientConfig:
    """The file's, without the environment's key. Raises ConfigError."""
    try:
        return read(path)
    except SettingsError as error:
        raise ConfigError(str(error)) from None
