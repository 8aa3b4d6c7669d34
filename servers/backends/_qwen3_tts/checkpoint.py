"""A checkpoint's folder: found, checked, and loaded with the dtype and the attention that its device can do.

Nothing is ever downloaded: whatever is missing is one error that says which command fetches it.
"""

from __future__ import annotations

import importlib.util
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from servers.backends._qwen3_tts.request import QwenOptions
from servers.errors import ModelLoadFailed
from servers.settings import ROOT

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
MODELS_DIR = ROOT / "var" / "models"
SMALL = "0b6"
"""`tts_model_size` of the 0.6B checkpoints."""


def folder_of(checkpoint: Path) -> Path:
    """Where the checkpoint is, or would be: an absolute path, or a folder in the models folder."""
    return MODELS_DIR / checkpoint.expanduser()


@dataclass(frozen=True)
class Checkpoint:
    """A folder that looks like a Qwen3-TTS checkpoint of the 12 Hz codec, and what its config.json says."""

    name: str
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
    def at(cls, folder: Path, name: str) -> Checkpoint:
        """`name` is the model's. Raises ModelLoadFailed: what is missing, and which command mends it."""
        if not folder.is_dir():
            raise ModelLoadFailed(f"{name}: there is no folder {folder}; {_mend(folder)}")
        missing = [each for each in NEEDED if not (folder / each).is_file()]
        missing += [
            f"{part}*.safetensors" for part in ("", "speech_tokenizer/") if not _weights(folder / part)
        ]
        if missing:
            raise ModelLoadFailed(f"{name}: {folder} lacks {', '.join(missing)}; {_mend(folder)}")
        config = _json(folder, "config.json", name)
        _check_kind(config, _json(folder, "speech_tokenizer/config.json", name), folder, name)
        return cls(name, folder, config, _json(folder, "generation_config.json", name))


def _check_kind(config: dict[str, Any], codec: dict[str, Any], folder: Path, name: str) -> None:
    kind, variant = config.get("model_type"), config.get("tts_model_type")
    if kind != MODEL_TYPE:
        raise ModelLoadFailed(f"{name}: {folder} holds a model of type {kind!r}, not {MODEL_TYPE!r}")
    if variant not in VARIANTS:
        known = ", ".join(VARIANTS)
        raise ModelLoadFailed(f"{name}: {folder} has tts_model_type {variant!r}; known are {known}")
    if codec.get("model_type") != CODEC_TYPE:
        raise ModelLoadFailed(
            f"{name}: {folder} has the codec {codec.get('model_type')!r}, not {CODEC_TYPE!r}"
        )


def load(checkpoint: Checkpoint, options: QwenOptions, device: str) -> Any:
    """The package's Qwen3TTSModel on `device`. Raises ModelLoadFailed."""
    target = usable_device(device)
    dtype, attention = chosen_dtype(options.dtype, target), chosen_attention(options.attention, target)
    log.info(
        "loading %s from %s on %s: dtype %s, attention %s",
        *(checkpoint.name, checkpoint.folder, target, dtype, attention),
        extra={"action": "load_qwen3_tts"},
    )
    with _explained(checkpoint):
        package = _package()
        model = package.from_pretrained(
            str(checkpoint.folder),
            device_map=str(target),
            dtype=dtype,
            attn_implementation=attention,
            local_files_only=True,
        )
    _check_weights(checkpoint, "", model.model)
    _check_weights(checkpoint, "speech_tokenizer", model.model.speech_tokenizer.model)
    model.model.eval()
    return model


def _package() -> Any:
    """Upstream's class. What the package prints and logs of programs that nobody needs here is left out."""
    logging.getLogger("sox").setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            from qwen_tts import Qwen3TTSModel
    except ImportError as error:
        raise ModelLoadFailed(
            f"qwen_tts cannot be imported ({error}); pip install 'skylark[qwen]'"
        ) from error
    return Qwen3TTSModel


@contextmanager
def _explained(checkpoint: Checkpoint) -> Iterator[None]:
    """Whatever the package cannot read is one error; memory that does not suffice stays what it is."""
    try:
        yield
    except (ModelLoadFailed, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        message = f"{checkpoint.name}: {checkpoint.folder} cannot be loaded: {type(error).__name__}: {error}"
        raise ModelLoadFailed(f"{message}; {_mend(checkpoint.folder)}") from error


def _check_weights(checkpoint: Checkpoint, part: str, model: Any) -> None:
    """Raises ModelLoadFailed for weights that no file has: the package would speak with random ones."""
    from safetensors import safe_open

    there: set[str] = set()
    for file in _weights(checkpoint.folder / part):
        with safe_open(file, framework="pt") as opened:
            there |= set(opened.keys())
    missing = sorted(set(model.state_dict()) - there)
    if missing:
        message = (
            f"{checkpoint.name}: {checkpoint.folder / part} lacks {len(missing)} weights, {missing[0]} first"
        )
        raise ModelLoadFailed(f"{message}; {_mend(checkpoint.folder)}")


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


def _json(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        data = json.loads((folder / file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadFailed(f"{name}: {folder / file} cannot be read: {error}; {_mend(folder)}") from None
    if not isinstance(data, dict):
        raise ModelLoadFailed(f"{name}: {folder / file} is no JSON object; {_mend(folder)}")
    return data


def _mend(folder: Path) -> str:
    return f"run `skylark models pull {folder.name}`"
