"""A checkpoint's folder: found, checked, and loaded with the dtype and the attention that its device can do.

Nothing is ever downloaded: whatever is missing is one error that says which command fetches it.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from servers.backends._qwen3_tts.request import QwenOptions
from servers.checkpoints import folder_of, locate, mend
from servers.errors import ModelLoadFailed

log = logging.getLogger(__name__)

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
    def follows_instruct(self) -> bool:
        """The package drops `instruct` for the small CustomVoice (qwen_tts 0.1.1, generate_custom_voice)."""
        return self.variant == "voice_design" or (
            self.variant == "custom_voice" and self.config["tts_model_size"] != SMALL
        )

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
            f"{part}*.safetensors" for part in ("", "speech_tokenizer/") if not _weights(folder / part)
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


def load(package: Any, checkpoint: Checkpoint, options: QwenOptions, device: str) -> Any:
    """The model on `device`, a `package` (its class Qwen3TTSModel). Raises ModelLoadFailed."""
    target = usable_device(device)
    dtype, attention = chosen_dtype(options.dtype, target), chosen_attention(options.attention, target)
    log.info(
        "loading %s from %s on %s: dtype %s, attention %s",
        *(checkpoint.name, checkpoint.folder, target, dtype, attention),
        extra={"action": "load_qwen3_tts"},
    )
    with _explained(checkpoint):
        model = package.from_pretrained(
            str(checkpoint.folder),
            device_map=str(target),
            dtype=dtype,
            attn_implementation=attention,
            local_files_only=True,
        )
        if dtype != torch.float32:
            model.model.load_speech_tokenizer(_exact_codec(checkpoint, target))
    _check_weights(checkpoint, "", model.model)
    _check_weights(checkpoint, "speech_tokenizer", model.model.speech_tokenizer.model)
    model.model.eval()
    return model


def _exact_codec(checkpoint: Checkpoint, device: torch.device) -> Any:
    """The codec in float32, as it is published: the package loads it in the talker's dtype, and rounds it."""
    from qwen_tts import Qwen3TTSTokenizer

    return Qwen3TTSTokenizer.from_pretrained(
        str(checkpoint.folder / "speech_tokenizer"),
        device_map=str(device),
        dtype=torch.float32,
        attn_implementation="sdpa",
        local_files_only=True,
    )


@contextmanager
def _explained(checkpoint: Checkpoint) -> Iterator[None]:
    """Whatever the package cannot read is one error; memory that does not suffice stays what it is."""
    try:
        yield
    except (ModelLoadFailed, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        what = f"cannot be loaded, {type(error).__name__}: {error}"
        raise fault(checkpoint.name, checkpoint.where, what) from error


def _check_weights(checkpoint: Checkpoint, part: str, model: Any) -> None:
    """Raises ModelLoadFailed for weights that no file has: the package would speak with random ones."""
    from safetensors import safe_open

    there: set[str] = set()
    for file in _weights(checkpoint.folder / part):
        with safe_open(file, framework="pt") as opened:
            there |= set(opened.keys())
    missing = sorted(set(model.state_dict()) - there)
    if missing:
        what = f"lacks {len(missing)} weights{f' of {part}' if part else ''}, {missing[0]} first"
        raise fault(checkpoint.name, checkpoint.where, what)


def usable_device(device: str) -> torch.device:
    """Raises ModelLoadFailed for a device that does not exist, naming those that do."""
    known = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in known:
        raise ModelLoadFailed(f"there is no device {device!r}; there are {', '.join(known)}")
    return torch.device(wanted)


def chosen_dtype(wanted: str, device: torch.device) -> torch.dtype:
    if wanted != "auto":
        chosen = getattr(torch, wanted)
        assert isinstance(chosen, torch.dtype)
        return chosen
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if _is_ampere(device) else torch.float16


def chosen_attention(wanted: str, device: torch.device) -> str:
    """Raises ModelLoadFailed where flash attention is asked for and cannot be had."""
    has_flash = importlib.util.find_spec("flash_attn") is not None
    can_flash = device.type == "cuda" and _is_ampere(device) and has_flash
    if wanted == "flash_attention_2" and not can_flash:
        why = "the package flash-attn is not installed" if not has_flash else f"{device} cannot do it"
        raise ModelLoadFailed(f"attention: flash_attention_2 is not possible, {why}; sdpa is")
    if wanted != "auto":
        return wanted
    return "flash_attention_2" if can_flash else "sdpa"


def _is_ampere(device: torch.device) -> bool:
    """Compute capability 8.0: the first with bfloat16 and with flash attention. A T4 has 7.5."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _json(name: str, where: Path, file: str) -> dict[str, Any]:
    try:
        data = json.loads((folder_of(where) / file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise fault(name, where, f"has a {file} that cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise fault(name, where, f"has a {file} that is no JSON object")
    return data
