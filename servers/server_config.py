"""server_config.json: where the servers are, and the key for them.

This is not servers/settings: those are the settings of the machine that serves, these belong to whoever
calls it: the command line from a laptop without any of those settings, the proxy of the page from a web host.
Other clients read the same file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from servers.api_keys import sendable
from servers.errors import SettingsError
from servers.supervision.processes import DOORS

NAME = "server_config.json"
REQUIRED = ("server_url", "whisper_url")


@dataclass(frozen=True)
class ClientConfig:
    """The keys of the file. Raises ValueError, which names the key at fault."""

    server_url: str = "http://localhost:5000"
    whisper_url: str = "http://localhost:5001"
    api_key: str | None = None
    machine_url: str | None = None
    """What starts and stops the machine, where it is not at /machine of server_url's host."""
    jobs_url: str | None = None
    """The engine's API, where it is not at server_url's host as /queue, /models and /jobs."""

    def __post_init__(self) -> None:
        for name in (*REQUIRED, "machine_url", "jobs_url"):
            if (url := getattr(self, name)) is not None or name in REQUIRED:
                object.__setattr__(self, name, http_url(name, url))
        if self.api_key is not None:
            _check_key(self.api_key)

    def urls(self) -> dict[str, str]:
        """The URL of each door that this file names, by the door's name."""
        return {door.name: getattr(self, door.url_key) for door in DOORS if door.url_key}

    @property
    def is_balanced(self) -> bool:
        """Whether server_url is that of a load balancer, which has a path for each server."""
        return bool(urlsplit(self.server_url).path)

    def at_host(self, path: str) -> str:
        """The URL of that path at server_url's host."""
        scheme, host, *_ = urlsplit(self.server_url)
        return urlunsplit((scheme, host, path, "", ""))

    def with_key(self, key: str | None) -> ClientConfig:
        """The same with that key, which wins over the file's; an empty one is none."""
        return replace(self, api_key=key) if key else self


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise ValueError("api_key: has to be text")
    try:
        sendable(key)
    except ValueError as error:
        raise ValueError(f"api_key: {error}") from None


def http_url(name: str, url: object) -> str:
    """Without a slash at its end. Raises ValueError, which begins with the name."""
    if not isinstance(url, str):
        raise ValueError(f"{name}: has to be text")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{name}: {url} has to start with http:// or https://")
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError(f"{name}: {url} is no URL: {error}") from None
    if not is_whole:
        raise ValueError(f"{name}: {url} names no host")
    return url.rstrip("/")


def read(path: Path) -> ClientConfig:
    """The file's. Raises SettingsError, which names it and the key at fault."""
    try:
        return ClientConfig(**_known(json.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not JSON: {error}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def _known(content: object) -> Mapping[str, Any]:
    """An unknown key is an error: a misspelt server_url must not silently mean localhost."""
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    known = [field.name for field in fields(ClientConfig)]
    for key in content:
        if key not in known:
            raise ValueError(f"unknown key {key}; known are {', '.join(known)}")
    return content
