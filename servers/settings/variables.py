"""The environment variables that do not have the name of their setting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

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
    "WORKER_NAME": ("rpc", "name"),
}
"""The short variables of settings that are in a section; docs/configuration.md says what each means."""
GPU_VARIABLES = {
    "DEVICE": ("engine", "device"),
    "GPU_IDLE_TIMEOUT": ("engine", "keep_alive_s"),
    "GPU_MAX_CONCURRENCY": ("engine", "max_concurrency_per_model"),
    "GPU_MAX_MODELS": ("engine", "max_models"),
}
"""Those of seed 002 that name no program: every variable with a prefix of ours wins over them."""
E2E = {"access_key": "E2E_ACCESS_KEY", "secret_key": "E2E_SECRET_KEY",
       "bucket": "E2E_BUCKET", "endpoint_url": "E2E_ENDPOINT_URL"}  # fmt: skip
"""The names that users of E2E's object store know."""
E2E_DEFAULTS = {"bucket": "qwen3-tts", "endpoint_url": "https://objectstore.e2enetworks.net"}
"""What these are where nothing else is said and the keys are of an account there."""
REGION = "AWS_REGION"
"""boto3 itself reads AWS_DEFAULT_REGION only."""
INTAKE_SECRET = "SKYLARK_INTAKE_SECRET"


def intake_secret() -> str | None:
    """By which servers/intake acts for the owners of the work that it takes in; None where it is missing.

    It is no setting: supervision makes it at each start for the doors and the intake alone, and it is in no
    file.
    """
    return os.environ.get(INTAKE_SECRET) or None


def visible_gpus() -> list[str] | None:
    """The numbers or identities of the GPUs that this process may use, in CUDA's variable; None is all."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if named is None else [each.strip() for each in named.split(",") if each.strip()]


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
