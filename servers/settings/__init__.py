"""Every setting: config/skylark.yaml, then the environment. The one place that reads either.

A nested setting's variable is SKYLARK_<SECTION>__<NAME>; a few have the short names that users know.
config/skylark.yaml documents each with its default, and a test holds the two together.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from servers import ROOT
from servers.api_keys import sendable
from servers.errors import SettingsError
from servers.settings.sections import (
    S3,
    Cloud,
    Door,
    Engine,
    Finetune,
    HttpServer,
    Limits,
    Monitor,
    OpenAI,
    Proxy,
    Rpc,
    Section,
    Tts,
    Web,
    Whisperx,
)
from servers.settings.variables import E2E, E2E_DEFAULTS, GPU_VARIABLES, REGION, SEED_VARIABLES, Variables
from servers.yaml_files import not_yaml

__all__ = (
    "ROOT",
    "S3",
    "Cloud",
    "Door",
    "Engine",
    "Finetune",
    "HttpServer",
    "Limits",
    "Monitor",
    "OpenAI",
    "Proxy",
    "Rpc",
    "Section",
    "Settings",
    "SettingsError",
    "Tts",
    "Web",
    "Whisperx",
    "config_file",
    "settings",
)
SOCKET_PATH_LIMIT = 100  # sun_path holds 104 bytes on macOS, 108 on Linux


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="SKYLARK_", env_nested_delimiter="__", extra="forbid", populate_by_name=True
    )

    data_dir: Path = Path("var")
    database_url: str | None = None
    models_file: Path = Path("config/models.yaml")
    models_dir: Path | None = None
    voicepacks_dir: Path = Path("var/voicepacks")
    checkpoints_file: Path = Path("config/checkpoints.yaml")
    hub_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("TTS_HF_MIRROR", "HF_ENDPOINT", "SKYLARK_HUB_URL"),
    )
    backends_path: list[Path] = Field(default_factory=list)
    log_level: str = Field(
        default="INFO", validation_alias=AliasChoices("TTS_LOG_LEVEL", "SKYLARK_LOG_LEVEL")
    )
    api_keys: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    api_key: str | None = Field(default=None, validation_alias=AliasChoices("TTS_API_KEY", "SKYLARK_API_KEY"))
    tts: Tts = Tts()
    whisperx: Whisperx = Whisperx()
    rpc: Rpc = Rpc()
    finetune: Finetune = Finetune()
    engine: Engine = Engine()
    limits: Limits = Limits()
    openai: OpenAI = OpenAI()
    s3: S3 = S3()
    web: Web = Web()
    proxy: Proxy = Proxy()
    monitor: Monitor = Monitor()
    cloud: Cloud = Cloud()

    @field_validator("s3")
    @classmethod
    def _at_e2e(cls, s3: S3) -> S3:
        """With what an account there needs not say."""
        if not os.environ.get(E2E["access_key"]):
            return s3
        missing = {name: value for name, value in E2E_DEFAULTS.items() if getattr(s3, name) is None}
        return s3.model_copy(update=missing)

    @field_validator("data_dir", "models_file", "models_dir", "voicepacks_dir", "checkpoints_file")
    @classmethod
    def _from_root(cls, path: Path | None) -> Path | None:
        return None if path is None else ROOT / path.expanduser()

    @field_validator("backends_path")
    @classmethod
    def _all_from_root(cls, paths: list[Path]) -> list[Path]:
        return [ROOT / path.expanduser() for path in paths]

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, keys: str | dict[str, str]) -> dict[str, str]:
        """From "id:sha256,id:sha256", or a mapping from id to sha256 as hexadecimal digits."""
        pairs = (
            [pair.strip().partition(":")[::2] for pair in keys.split(",")] if isinstance(keys, str) else keys
        )
        hashes = {name: digest.lower() for name, digest in dict(pairs).items() if name or digest}
        for name, digest in hashes.items():
            if not name or not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"key {name!r} must be id:sha256 with 64 hexadecimal digits")
        return hashes

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, key: str | None) -> str | None:
        return None if key is None else sendable(key)

    @property
    def queue_url(self) -> str:
        """The database of the queue, as SQLAlchemy names it."""
        return self.database_url or f"sqlite:///{self.data_dir / 'jobs.sqlite3'}"

    @property
    def models_folder(self) -> Path:
        """Where the checkpoints are: models_dir, or what the user's checkouts share."""
        return _cache_folder() / "models" if self.models_dir is None else self.models_dir

    @property
    def generated_audio(self) -> Path:
        """Where /v1/tts leaves what it was asked to keep as files."""
        own = self.tts.output_dir
        return self.data_dir / "generated_audio" if own is None else ROOT / own.expanduser()

    @property
    def engine_socket(self) -> Path:
        own = self.engine.socket
        return self.data_dir / "engine.sock" if own is None else ROOT / own.expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = YamlConfigSettingsSource(settings_cls, yaml_file=config_file())
        store = {variable: ("s3", name) for name, variable in (E2E | {"region": REGION}).items()}
        short, others = (
            Variables(settings_cls, SEED_VARIABLES),
            Variables(settings_cls, GPU_VARIABLES | store),
        )
        return init_settings, short, env_settings, others, file


def _cache_folder() -> Path:
    """As the platform has it; var where this user has no home. The variable is the platform's, not ours."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if cache.is_absolute() and sys.platform != "darwin":
        return cache / "skylark"
    try:
        home = Path.home()
    except RuntimeError:
        return ROOT / "var"
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "skylark"


def config_file() -> Path:
    return ROOT / os.environ.get("SKYLARK_CONFIG", "config/skylark.yaml")


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises SettingsError naming the file or variable and the key at fault.
    """
    if not config_file().is_file():
        raise SettingsError(f"{config_file()}: no such file (SKYLARK_CONFIG)")
    try:
        loaded = Settings()
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise SettingsError(f"{config_file()} or the environment: {key}: {fault['msg']}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{config_file()}: {not_yaml(error)}") from None
    if len(os.fsencode(loaded.engine_socket)) > SOCKET_PATH_LIMIT:
        key = "data_dir" if loaded.engine.socket is None else "engine.socket"
        raise SettingsError(
            f"{key}: {loaded.engine_socket} is too long for a Unix socket "
            f"({SOCKET_PATH_LIMIT} bytes): choose a shorter {key}"
        )
    return loaded
