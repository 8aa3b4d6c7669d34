"""Every setting: config/skylark.yaml, then the environment. The one place that reads either.

A nested setting's variable is SKYLARK_<SECTION>__<NAME>; a few have the short names that users know.
config/skylark.yaml documents each with its default, and a test holds the two together.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from servers import ROOT as ROOT  # noqa: PLC0414 - who reads settings finds it here
from servers.errors import SettingsError as SettingsError  # noqa: PLC0414
from servers.yaml_files import not_yaml

SEED_VARIABLES = {
    "TTS_DEVICE": ("engine", "device"),
    "TTS_DTYPE": ("engine", "dtype"),
    "TTS_PRELOAD_MODELS": ("engine", "preload_models"),
    "TTS_MAX_CONCURRENCY_PER_MODEL": ("engine", "max_concurrency_per_model"),
    "TTS_SCALABLE_MODE": ("tts", "scalable_mode"),
    "TTS_MAX_QUEUE_SIZE": ("tts", "max_queue_size"),
    "TTS_OUTPUT_MODE": ("tts", "output_mode"),
    "TTS_OUTPUT_DIR": ("tts", "output_dir"),
    "TTS_ENABLE_CACHE": ("tts", "enable_cache"),
    "TTS_CACHE_SIZE": ("tts", "cache_size"),
    "TTS_MAX_TEXT_LENGTH": ("tts", "max_text_length"),
    "TTS_DEFAULT_SAMPLE_RATE": ("tts", "default_sample_rate"),
}
"""The short variables of settings that are in a section; docs/configuration.md says what each means."""
SOCKET_PATH_LIMIT = 100  # sun_path holds 104 bytes on macOS, 108 on Linux


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _names(value: object) -> object:
    """A name, or several with commas between them as variables have them, as a list."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), Field(min_length=1)]


class Door(Section):
    """An HTTP server in front of the engine."""

    host: str = "127.0.0.1"
    port: int
    threads: Annotated[int, Field(ge=1)] = 500
    model_type: Names
    model: str | None = None

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if self.model is not None and len(self.model_type) > 1:
            several = ", ".join(self.model_type)
            raise ValueError(f"model names one of a single model_type's, and model_type has {several}")
        return self


class Tts(Door):
    port: int = 5000
    model_type: Names = ("piper", "espeak")
    names: dict[str, str] = Field(
        default_factory=lambda: {
            "qwen3-tts-0.6b": "qwen3_tts/0.6b-customvoice",
            "qwen3-tts-1.7b": "qwen3_tts/1.7b-customvoice",
        }
    )
    max_text_length: Annotated[int, Field(ge=1)] = 600
    default_sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] = 24_000
    scalable_mode: bool = True
    max_queue_size: Annotated[int, Field(ge=1)] = 32
    output_mode: Literal["base64", "file"] = "base64"
    output_dir: Path | None = None
    keep_audio_s: Annotated[float, Field(ge=60)] = 86_400.0
    enable_cache: bool = False
    cache_size: Annotated[int, Field(ge=1)] = 32
    cache_mb: Annotated[float, Field(gt=0)] = 256.0


class Whisperx(Door):
    port: int = 5001
    model_type: Names = ("faster_whisper", "pocketsphinx")
    aligner: str | None = "pocketsphinx"


class Engine(Section):
    socket: Path | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    threads: Annotated[int, Field(ge=1)] = 1_200
    file_roots: list[Path] = Field(default=[Path("/tmp"), Path("var/files")])
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    max_queued: Annotated[int, Field(ge=1)] = 10_000
    max_models: Annotated[int, Field(ge=1)] = 4
    vram_mb: int | None = None
    keep_alive_s: Annotated[float, Field(ge=0)] = 300.0
    min_residency_s: float = 2.0
    max_parallel_loads: Annotated[int, Field(ge=1)] = 1
    max_computing: Annotated[int, Field(ge=1)] = 1
    max_concurrency_per_model: Annotated[int, Field(ge=1)] | None = None
    preload_models: bool = False
    joins: bool = True
    step_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    background_share: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    warmup_text: str | None = "This is a warmup test."
    max_attempts: Annotated[int, Field(ge=1)] = 3
    max_wait_s: float = 60.0
    heartbeat_timeout_s: Annotated[float, Field(ge=60)] = 300.0
    lease_s: Annotated[float, Field(ge=2)] = 30.0
    load_timeout_s: float = 300.0
    cancel_grace_s: float = 5.0
    drain_s: Annotated[float, Field(ge=0, le=30)] = 20.0
    keep_results_s: Annotated[float, Field(ge=3_600)] = 86_400.0

    def roots(self) -> list[Path]:
        """`file_roots` as absolute paths."""
        return [ROOT / path.expanduser() for path in self.file_roots]


class Limits(Section):
    max_body_mb: float = 256.0
    max_text_chars: int = 20_000
    max_texts: int = 500
    max_request_chars: int = 500_000
    max_audio_s: float = 1_800.0
    max_cloned_voices: Annotated[int, Field(ge=0)] = 200
    request_timeout_s: float = 1_800.0
    job_base_s: Annotated[float, Field(gt=0)] = 600.0
    job_s_per_1000_chars: Annotated[float, Field(ge=0)] = 10_000.0
    job_s_per_audio_s: Annotated[float, Field(ge=0)] = 20.0


def _alias(names: str) -> dict[str, str | None]:
    return dict.fromkeys(names.split())


class OpenAI(Section):
    """OpenAI's names, and what they mean here; None is what the server asks by default."""

    models: dict[str, str | None] = Field(
        default_factory=lambda: _alias(
            "tts-1 tts-1-hd gpt-4o-mini-tts whisper-1 gpt-4o-transcribe gpt-4o-mini-transcribe "
            "gpt-4o-transcribe-diarize"
        )
    )
    voices: dict[str, str | None] = Field(
        default_factory=lambda: _alias(
            "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse"
        )
    )


class S3(Section):
    """The object store that speech can be put into. Hashable, so that one client serves all requests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bucket: str | None = None
    other_buckets: tuple[str, ...] = ()
    prefix: str = "audio/{owner}"
    endpoint_url: str | None = None
    region: str | None = None
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    timeout_s: Annotated[float, Field(gt=0)] = 20.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    presigned_s: Annotated[int, Field(ge=1, le=604_800)] = 86_400

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        return self


E2E = {"access_key": "E2E_ACCESS_KEY", "secret_key": "E2E_SECRET_KEY",
       "bucket": "E2E_BUCKET", "endpoint_url": "E2E_ENDPOINT_URL"}  # fmt: skip
"""The names that users of E2E's object store know."""
E2E_DEFAULTS = {"bucket": "qwen3-tts", "endpoint_url": "https://objectstore.e2enetworks.net"}
"""What these are where nothing else is said and the keys are of an account there."""
REGION = "AWS_REGION"
"""boto3 itself reads AWS_DEFAULT_REGION only."""


class Web(Section):
    cors_origins: list[str] = Field(default_factory=list)
    allow_anonymous: bool = False
    max_connections_per_address: Annotated[int, Field(ge=1)] = 2_000
    max_websockets: Annotated[int, Field(ge=1)] = 200


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
        validation_alias=AliasChoices("TTS_HF_MIRROR", "HF_ENDPOINT", "SKYLARK_HUB_URL", "hub_url"),
    )
    backends_path: list[Path] = Field(default_factory=list)
    log_level: str = Field(
        default="INFO", validation_alias=AliasChoices("TTS_LOG_LEVEL", "SKYLARK_LOG_LEVEL", "log_level")
    )
    api_keys: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    api_key: str | None = Field(
        default=None, validation_alias=AliasChoices("TTS_API_KEY", "SKYLARK_API_KEY", "api_key")
    )
    tts: Tts = Tts()
    whisperx: Whisperx = Whisperx()
    engine: Engine = Engine()
    limits: Limits = Limits()
    openai: OpenAI = OpenAI()
    s3: S3 = S3()
    web: Web = Web()

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
        short, others = Variables(settings_cls, SEED_VARIABLES), Variables(settings_cls, store)
        return init_settings, short, env_settings, others, file


class Variables(PydanticBaseSettingsSource):
    """Those variables that are set, by the section and the name of what they set; an empty one is not."""

    def __init__(self, of: type[BaseSettings], meant: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(of)
        self._meant = meant

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, dict[str, str]] = {}
        for variable, (section, name) in self._meant.items():
            if value := os.environ.get(variable):
                found.setdefault(section, {})[name] = value
        return found


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
