"""A checkpoint's folder: found, checked, and what its config.json says. No torch.

Whatever is missing is one error that says which command fetches it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.checkpoints import folder_of, locate, mend
from servers.errors import ModelLoadFailed

MODEL_TYPE = "qwen3_tts"
CODEC_TYPE = "qwen3_tts_tokenizer_12hz"
VARIANTS = ("custom_voice", "voice_design", "base")
NEEDED = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "speech_tokenizer/config.json",
    "speech_tokenizer/preprocessor_config.json",
)
SMALL = "0b6"
"""`tts_model_size` of the 0.6B checkpoints."""


@dataclass(frozen=True)
class Checkpoint:
    """A folder that looks like a Qwen3-TTS checkpoint of the 12 Hz codec, and what its config.json says."""

    name: str
    """The model's."""
    where: Path
    """As models.yaml calls it."""
    folder: Path
    config: dict[str, Any]
    generation: dict[str, Any]

    @property
    def variant(self) -> str:
        return str(self.config["tts_model_type"])

    @property
    def clones(self) -> bool:
        return self.variant == "base"

    @property
    def designs(self) -> bool:
        return self.variant == "voice_design"

    @property
    def follows_instruct(self) -> bool:
        """The package drops `instruct` for the small CustomVoice (qwen_tts 0.1.1, generate_custom_voice)."""
        return self.designs or (self.variant == "custom_voice" and self.config["tts_model_size"] != SMALL)

    @property
    def speakers(self) -> dict[str, int]:
        """Names as the config has them, and their rows of the codec's embedding."""
        return dict(self.config["talker_config"].get("spk_id") or {})

    @property
    def dialects(self) -> dict[str, str]:
        """The dialect of each speaker that has one."""
        spoken = self.config["talker_config"].get("spk_is_dialect") or {}
        return {name: dialect for name, dialect in spoken.items() if dialect}

    @property
    def languages(self) -> dict[str, int]:
        return dict(self.config["talker_config"]["codec_language_id"])

    @classmethod
    def at(cls, where: Path, name: str) -> Checkpoint:
        """The checkpoint that models.yaml calls `where`; `name` is the model's.

        Raises ModelLoadFailed: what is missing, and what mends it.
        """
        folder = locate(where)
        missing = [each for each in NEEDED if not (folder / each).is_file()]
        missing += [
            f"{part}*.safetensors" for part in ("", "speech_tokenizer/") if not weights(folder / part)
        ]
        if missing:
            raise fault(name, where, f"lacks {', '.join(missing)}")
        jsons = [
            _json(name, where, file)
            for file in ("config.json", "generation_config.json", "speech_tokenizer/config.json")
        ]
        config, generation, codec = jsons
        if what := _not_one_of_ours(config, codec):
            raise fault(name, where, what)
        return cls(name, where, folder, config, generation)


def fault(name: str, where: Path, what: str) -> ModelLoadFailed:
    """An error that says what is wrong with a model's checkpoint, and what mends it."""
    return ModelLoadFailed(f"{name}: the checkpoint at {folder_of(where)} {what}: {mend(where)}")


def _not_one_of_ours(config: dict[str, Any], codec: dict[str, Any]) -> str | None:
    kind, variant, codec_kind = (
        config.get("model_type"),
        config.get("tts_model_type"),
        codec.get("model_type"),
    )
    if kind != MODEL_TYPE:
        return f"holds a model of type {kind!r}, not {MODEL_TYPE!r}"
    if variant not in VARIANTS:
        return f"has tts_model_type {variant!r}; known are {', '.join(VARIANTS)}"
    if codec_kind != CODEC_TYPE:
        return f"has the codec {codec_kind!r}, not {CODEC_TYPE!r}"
    talker = config.get("talker_config")
    if not isinstance(talker, dict) or not isinstance(talker.get("codec_language_id"), dict):
        return "has a config.json without talker_config.codec_language_id"
    if variant == "custom_voice" and not talker.get("spk_id"):
        return "is a custom_voice without speakers: talker_config.spk_id is empty"
    return None


def weights(folder: Path) -> list[Path]:
    """The files of a model in that folder."""
    return sorted(folder.glob("*.safetensors"))


def _json(name: str, where: Path, file: str) -> dict[str, Any]:
    try:
        data = json.loads((folder_of(where) / file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise fault(name, where, f"has a {file} that cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise fault(name, where, f"has a {file} that is no JSON object")
    return data
