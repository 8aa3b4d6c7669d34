"""The sections of config/skylark.yaml, each with its settings and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from servers import ROOT
from servers.api_keys import sendable


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _names(value: object) -> object:
    """A name, or several with commas between them as variables have them, as a list."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), Field(min_length=1)]


class HttpServer(Section):
    """Where it listens, and how many requests can be in hand at once."""

    host: str = "127.0.0.1"
    port: int
    threads: Annotated[int, Field(ge=1)] = 500


class Door(HttpServer):
    """An HTTP server in front of the engine, and the models that it asks by default."""

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


def a_redis(url: SecretStr) -> SecretStr:
    """The URL. Raises ValueError for one that no Redis has."""
    if urlsplit(url.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("has to be as redis://localhost:6379")
    return url


class Rpc(Door):
    """The streaming worker."""

    port: int = 7002
    threads: Annotated[int, Field(ge=1)] = 400
    model_type: Names = ("piper", "espeak")
    name: str = "tts-worker-0"
    beside: bool = True
    max_concurrent_sessions: Annotated[int, Field(ge=1, le=10_000)] = 100
    resume_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    ahead_s: Annotated[float, Field(ge=0, le=86_400)] = 2.0
    loudness: Literal["voice", "integrated", "rms", "none"] = "voice"
    loudness_lufs: Annotated[float, Field(ge=-60, le=-5)] = -16.0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    redis_url: Annotated[SecretStr, AfterValidator(a_redis)] | None = None
    registration_ttl_s: Annotated[int, Field(ge=1, le=86_400)] = 30
    heartbeat_s: Annotated[float, Field(gt=0)] = 10.0
    advertise: str | None = None
    languages: Names | None = None
    streaming: bool = True
    zero_shot: bool = True
    lora: bool = True
    log_session_id: bool = True

    @model_validator(mode="after")
    def _renewed(self) -> Self:
        if self.heartbeat_s >= self.registration_ttl_s:
            raise ValueError(
                "heartbeat_s has to be shorter than registration_ttl_s, or the worker comes and goes"
            )
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError(
                "client_ca asks clients for certificates, which needs tls_certificate and tls_key"
            )
        return self


class Whisperx(Door):
    port: int = 5001
    model_type: Names = ("faster_whisper", "pocketsphinx")
    aligner: str | None = "pocketsphinx"


class Finetune(HttpServer):
    """The server of voices of one's own, which asks the models of Tts."""

    port: int = 8000
    threads: Annotated[int, Field(ge=1)] = 200
    beside: bool = True
    max_dataset_mb: Annotated[float, Field(gt=0)] = 20_000.0
    fetch_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    fetch_networks: tuple[IPvAnyNetwork, ...] = ()


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
    warmup_text: Annotated[str | None, BeforeValidator(lambda text: text or None)] = "This is a warmup test."
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


class Web(Section):
    cors_origins: list[str] = Field(default_factory=list)
    allow_anonymous: bool = False
    max_connections_per_address: Annotated[int, Field(ge=1)] = 2_000
    max_websockets: Annotated[int, Field(ge=1)] = 200
    idle_s: Annotated[float, Field(ge=5, le=86_400)] = 75.0
    stop_notice_s: Annotated[float, Field(ge=0, le=10)] = 0.0


def _origin(url: str) -> str:
    """As a browser writes it in the header Origin. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("has to be as https://speech.example.org")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("is an origin, without a path")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


Origin = Annotated[str, AfterValidator(_origin)]


class Proxy(Section):
    """The page, and what keeps the key for it."""

    host: str = "127.0.0.1"
    port: int = 5010
    threads: Annotated[int, Field(ge=1)] = 400
    beside: bool = True
    server_config: Path | None = None
    public_url: Origin | None = None
    origins: list[Origin] = Field(default_factory=list)
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    characters_per_day: Annotated[int, Field(ge=1)] | None = None
    recording_mb_per_day: Annotated[float, Field(gt=0)] | None = None
    starts_per_day: Annotated[int, Field(ge=1)] | None = None
    per_address: Annotated[int, Field(ge=1)] = 10
    max_streams: Annotated[int, Field(ge=1)] = 8
    secret: SecretStr | None = None
    allow_start: bool | None = None
    status_every_s: Annotated[float, Field(ge=0.1, le=60)] = 3.0

    @field_validator("server_config")
    @classmethod
    def _from_root(cls, path: Path | None) -> Path | None:
        return None if path is None else ROOT / path.expanduser()


def _a_key(key: SecretStr) -> SecretStr:
    sendable(key.get_secret_value())
    return key


class Monitor(Section):
    """What is published of the machine; nothing where `appliance` is None."""

    appliance: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")] | None = None
    period_s: Annotated[float, Field(ge=1, le=3_600)] = 60.0
    region: str | None = None
    endpoint_url: str | None = None
    imds_url: str | None = "http://169.254.169.254"
    api_key: Annotated[SecretStr, AfterValidator(_a_key)] | None = None


class Cloud(Section):
    """What of the appliance is outside of the machine, in AWS; nothing where `table` is None."""

    table: Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    bucket: str | None = None
    hold_parameter: Annotated[str, Field(pattern=r"^/.*[^/]$")] | None = None
    release_parameter: Annotated[str, Field(pattern=r"^/.*[^/]$")] | None = None
    place: Annotated[str, Field(min_length=1)] | None = None
    instance_id: Annotated[str, Field(pattern=r"^i-")] | None = None
    volume_goes: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.table is None) != (self.bucket is None):
            raise ValueError("table and bucket belong together")
        if (self.release_parameter is None) != (self.place is None):
            raise ValueError("release_parameter and place belong together")
        return self
