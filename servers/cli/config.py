"""server_config.json: where the servers are, and the key for them.

This is not servers/settings: those are the settings of the machine that serves, these belong to whoever
calls it, from a laptop without any of those settings. Other clients read the same file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.cli import here
from servers.cli.failures import ConfigError, WrongUsage
from servers.supervision.processes import DOORS

NAME = "server_config.json"


@dataclass(frozen=True)
class ClientConfig:
    """The keys of the file. Raises ValueError, which names the key at fault."""

    server_url: str = "http://localhost:5000"
    whisper_url: str = "http://localhost:5001"
    api_key: str | None = None
    machine_url: str | None = None
    """What starts and stops the machine, where it is not at /machine of server_url's host."""

    def __post_init__(self) -> None:
        for name in ("server_url", "whisper_url", "machine_url"):
            if (url := getattr(self, name)) is not None or name != "machine_url":
                object.__setattr__(self, name, _http_url(name, url))
        if self.api_key is not None and not isinstance(self.api_key, str):
            raise ValueError("api_key: has to be text")

    def urls(self) -> dict[str, str]:
        """The URL of each door that this file names, by the door's name."""
        return {door.name: getattr(self, door.url_key) for door in DOORS if door.url_key}


def _http_url(name: str, url: object) -> str:
    if not isinstance(url, str):
        raise ValueError(f"{name}: has to be text")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{name}: {url} has to start with http:// or https://")
    return url.rstrip("/")


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
    key = os.environ.get("TTS_API_KEY")
    return replace(found, api_key=key) if key else found


def known_key() -> str | None:
    """The key that a command would send: TTS_API_KEY, or the one of the file that it would read."""
    found = _of_file(None)
    return os.environ.get("TTS_API_KEY") or (found.api_key if found else None)


def _of_server(url: str) -> ClientConfig:
    """With a port it is the first door's, and the others listen at those after it, as `up` has it. Without
    one it is a load balancer's, which has a path for each.
    """
    try:
        base = _http_url("--server", url)
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
    variable = os.environ.get("SKYLARK_SERVER_CONFIG")
    path = named or (Path(variable) if variable else _first_existing())
    return None if path is None else _read(path)


def _first_existing() -> Path | None:
    places = [Path(NAME), Path.home() / ".config" / "skylark" / NAME]
    return next((place for place in places if place.is_file()), None)


def _of_appliance() -> ClientConfig | None:
    appliance = here.running_here()
    return None if appliance is None else ClientConfig(**appliance.urls)


def _read(path: Path) -> ClientConfig:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    try:
        return ClientConfig(**_known(content))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _known(content: object) -> Mapping[str, Any]:
    """An unknown key is an error: a misspelt server_url must not silently mean localhost."""
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    known = [field.name for field in fields(ClientConfig)]
    for key in content:
        if key not in known:
            raise ValueError(f"unknown key {key}; known are {', '.join(known)}")
    return content
