"""server_config.json: where the servers are, and the key for them.

This is not servers/settings.py: those are the settings of the machine that serves, these belong to whoever
calls it, from a laptop without any of those settings. Other clients read the same file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servers.supervision.processes import DOORS

NAME = "server_config.json"


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the file and the key."""


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True)

    config_file: Path | None = Field(default=None, validation_alias="SKYLARK_SERVER_CONFIG")
    api_key: str | None = Field(default=None, validation_alias="TTS_API_KEY")


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_http_url)]


class ClientConfig(BaseModel):
    """An unknown key is an error: a misspelt server_url must not silently mean localhost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server_url: Url = "http://localhost:5000"
    whisper_url: Url = "http://localhost:5001"
    api_key: str | None = None

    def urls(self) -> dict[str, str]:
        """The URL of each door that this file names, by the door's name."""
        return {door.name: getattr(self, door.url_key) for door in DOORS if door.url_key}


def load(path: Path | None = None) -> ClientConfig:
    """The file at `path`, $SKYLARK_SERVER_CONFIG, ./ or ~/.config/skylark/, else the defaults.

    TTS_API_KEY in the environment wins over the file's api_key. Raises ConfigError; a file that was named
    has to exist.
    """
    environment = _Environment()
    found = path or environment.config_file or _first_existing()
    config = _read(found) if found else ClientConfig()
    return config.model_copy(update={"api_key": environment.api_key}) if environment.api_key else config


def _first_existing() -> Path | None:
    places = [Path(NAME), Path.home() / ".config" / "skylark" / NAME]
    return next((place for place in places if place.is_file()), None)


def _read(path: Path) -> ClientConfig:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    try:
        return ClientConfig.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = ", ".join(ClientConfig.model_fields)
            raise ConfigError(f"{path}: unknown key {key}; known are {known}") from None
        raise ConfigError(f"{path}: {key + ': ' if key else ''}{fault['msg']}") from None
