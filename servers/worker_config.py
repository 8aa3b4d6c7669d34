"""worker.yaml: the configuration of one streaming worker, and the settings that it means.

What else there is to set is in config/skylark.yaml. What the environment says of the same setting wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from servers.settings import SettingsError
from servers.settings.sections import a_redis
from servers.yaml_files import read_yaml

LOOKS_EVERY_MS = 1_000
"""The engine looks for idle models at least so often: sooner than any interval of this file asks for."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Capabilities(Section):
    """What the worker offers: what is false here it does not say that it can, whatever its models can."""

    streaming: bool = True
    zero_shot: bool = True
    lora: bool = False
    cpu_ok: bool = False
    """False: it does not start where its model would compute on a CPU for want of a GPU."""
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en",)
    max_concurrent_sessions: Annotated[int, Field(ge=1, le=10_000)] = 3


class Worker(Section):
    name: Name = "tts-worker-0"
    grpc_host: str = "0.0.0.0"
    grpc_port: Annotated[int, Field(ge=1, le=65_535)] = 7002
    capabilities: Capabilities = Capabilities()


class ModelManager(Section):
    """What is loaded, and what leaves. The engine does all of it."""

    default_model_id: ModelId
    preload_model_ids: tuple[ModelId, ...] = ()
    ttl_ms: Annotated[int, Field(ge=1)] | None = 600_000
    """null is for ever."""
    min_residency_ms: Annotated[int, Field(ge=0)] = 120_000
    evict_check_interval_ms: Annotated[int, Field(ge=LOOKS_EVERY_MS)] = 30_000
    resident_cap: Annotated[int, Field(ge=1)] = 3
    max_parallel_loads: Annotated[int, Field(ge=1)] = 1
    warmup_enabled: bool = True
    warmup_text: Annotated[str, StringConstraints(min_length=1)] = "This is a warmup test."


class Audio(Section):
    output_sample_rate: Literal[48000] = 48_000
    frame_duration_ms: Literal[20] = 20
    loudness_target_lufs: Annotated[float, Field(ge=-60, le=-5)] = -16.0
    normalization_enabled: bool = True


class Redis(Section):
    url: Annotated[SecretStr, AfterValidator(a_redis)] | None = SecretStr("redis://localhost:6379")
    """null is not to be registered."""
    registration_ttl_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    heartbeat_interval_seconds: Annotated[float, Field(gt=0)] = 10.0

    @model_validator(mode="after")
    def _renewed(self) -> Self:
        if self.heartbeat_interval_seconds >= self.registration_ttl_seconds:
            raise ValueError("heartbeat_interval_seconds has to be shorter than registration_ttl_seconds")
        return self


class Logging(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    format: Literal["json"] = "json"
    include_session_id: bool = True


class WorkerConfig(Section):
    """The whole file."""

    worker: Worker = Worker()
    model_manager: ModelManager
    audio: Audio = Audio()
    redis: Redis = Redis()
    logging: Logging = Logging()

    def named(self, name: str | None) -> WorkerConfig:
        """The same under the name of WORKER_NAME, so that several are started from one file: its port is as
        far above grpc_port as the number at the end of the name is above that of the file's own name.

        Raises SettingsError.
        """
        if not name:
            return self
        port = self.worker.grpc_port + _number(name) - _number(self.worker.name)
        worker = self.worker.model_dump() | {"name": name, "grpc_port": port}
        try:
            return self.model_copy(update={"worker": Worker.model_validate(worker)})
        except ValueError:
            possible = (
                "letters, digits, '.', '_' and '-', and a small number at the end, which its port goes by"
            )
            raise SettingsError(f"WORKER_NAME: {name[:80]!r} cannot be one: {possible}") from None

    def variables(self, *, needs_gpu: bool) -> dict[str, str]:
        """The environment of its engine and of its gRPC server. `needs_gpu`: its model would use one."""
        worker, manager, audio = self.worker, self.model_manager, self.audio
        offers = worker.capabilities
        found = {
            "WORKER_NAME": worker.name,
            "SKYLARK_RPC__HOST": worker.grpc_host,
            "SKYLARK_RPC__PORT": worker.grpc_port,
            "SKYLARK_RPC__STREAMING": offers.streaming,
            "SKYLARK_RPC__ZERO_SHOT": offers.zero_shot,
            "SKYLARK_RPC__LORA": offers.lora,
            "SKYLARK_RPC__LANGUAGES": ",".join(offers.languages),
            "SKYLARK_RPC__MAX_CONCURRENT_SESSIONS": offers.max_concurrent_sessions,
            "SKYLARK_ENGINE__KEEP_ALIVE_S": 0 if manager.ttl_ms is None else manager.ttl_ms / 1000,
            "SKYLARK_ENGINE__MIN_RESIDENCY_S": manager.min_residency_ms / 1000,
            "SKYLARK_ENGINE__MAX_MODELS": manager.resident_cap,
            "SKYLARK_ENGINE__MAX_PARALLEL_LOADS": manager.max_parallel_loads,
            "SKYLARK_ENGINE__WARMUP_TEXT": manager.warmup_text if manager.warmup_enabled else "",
            "SKYLARK_RPC__LOUDNESS": "voice" if audio.normalization_enabled else "none",
            "SKYLARK_RPC__LOUDNESS_LUFS": audio.loudness_target_lufs,
            "SKYLARK_RPC__REGISTRATION_TTL_S": self.redis.registration_ttl_seconds,
            "SKYLARK_RPC__HEARTBEAT_S": self.redis.heartbeat_interval_seconds,
            "SKYLARK_LOG_LEVEL": self.logging.level,
            "SKYLARK_RPC__LOG_SESSION_ID": self.logging.include_session_id,
        }
        if self.redis.url is not None:
            found["SKYLARK_RPC__REDIS_URL"] = self.redis.url.get_secret_value()
        if needs_gpu and not offers.cpu_ok:
            found["SKYLARK_ENGINE__DEVICE"] = "cuda:0"
        return {name: _written(value) for name, value in found.items()}


def read(path: Path, environment: Mapping[str, str]) -> WorkerConfig:
    """The file, with what WORKER_NAME and LOG_LEVEL say in its place. Raises SettingsError naming the key."""
    config = read_yaml(path, WorkerConfig, setting="--config").named(environment.get("WORKER_NAME"))
    level = environment.get("LOG_LEVEL")
    if not level:
        return config
    try:
        logging = Logging.model_validate(config.logging.model_dump() | {"level": level.upper()})
    except ValueError:
        possible = "DEBUG, INFO, WARNING, ERROR or CRITICAL"
        raise SettingsError(f"LOG_LEVEL: {level[:80]!r} is not {possible}") from None
    return config.model_copy(update={"logging": logging})


def _number(name: str) -> int:
    found = re.search(r"\d{1,5}$", name)
    return int(found[0]) if found else 0


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
