"""A checkpoint loaded with the dtype and the attention that its device can do.

Nothing is ever downloaded: whatever is missing is one error that says which command fetches it.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from servers.backends._qwen3_tts.folder import Checkpoint, fault, weights
from servers.backends._qwen3_tts.request import QwenOptions
from servers.errors import ModelLoadFailed

log = logging.getLogger(__name__)


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
    for file in weights(checkpoint.folder / part):
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
