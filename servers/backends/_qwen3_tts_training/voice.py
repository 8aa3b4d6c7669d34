"""The voice that is made: a custom_voice checkpoint with one speaker, as upstream's script leaves it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from servers.backends._qwen3_tts.folder import Checkpoint, weights
from servers.backends._qwen3_tts_training.files import new_folder, storing_weights
from servers.errors import InvalidRequest

SPEAKER_ROW = 3000
"""Of the codec's embedding: where upstream's finetuning/sft_12hz.py puts the speaker."""
EMBEDDING = "talker.model.codec_embedding.weight"
SPEAKER_ENCODER = "speaker_encoder."
"""Whose weights a custom_voice checkpoint does not have."""
NOT_COPIED = ("*.safetensors", "model.safetensors.index.json", ".*")
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
EPOCH = re.compile(r"checkpoint-epoch-(\d+)")


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Of an epoch that is counted from 0, as the names are."""
    return folder / f"checkpoint-epoch-{epoch}"


def epoch_folders(folder: Path) -> Sequence[Path]:
    """The checkpoints that are there, the oldest first."""
    found = {path: EPOCH.fullmatch(path.name) for path in folder.glob("checkpoint-epoch-*")}
    named = [(int(match[1]), path) for path, match in found.items() if match]
    return [path for _, path in sorted(named)]


class VoiceWriter:
    """Writes the weights of `model`, trained from `base`, with the embedding of one speaker, (hidden,)."""

    def __init__(self, base: Checkpoint, model: Any, name: str, speaker: Tensor) -> None:
        self._base, self._model = base, model
        self._name, self._speaker = name, speaker

    def write(self, path: Path) -> None:
        """Whole or not at all, in place of what is there. Raises StorageFailed."""
        with storing_weights("the checkpoint"), new_folder(path) as new:
            shutil.copytree(
                self._base.folder,
                new,
                ignore=self._ignored,
                dirs_exist_ok=True,
                copy_function=shutil.copyfile,
            )
            (new / "config.json").write_text(
                json.dumps(self._config(), indent=2, ensure_ascii=False), "utf-8"
            )
            save_file(self._weights(), new / "model.safetensors", metadata={"format": "pt"})

    def _ignored(self, folder: str, names: list[str]) -> set[str]:
        """The base's own weights, not those of its codec; and what says where it was pulled from."""
        is_top = Path(folder) == self._base.folder
        return shutil.ignore_patterns(*(NOT_COPIED if is_top else NOT_COPIED[2:]))(folder, names)

    def _config(self) -> dict[str, Any]:
        talker = self._base.config["talker_config"] | {
            "spk_id": {self._name: SPEAKER_ROW},
            "spk_is_dialect": {self._name: False},
        }
        return self._base.config | {"tts_model_type": "custom_voice", "talker_config": talker}

    def _weights(self) -> dict[str, Tensor]:
        """In the dtypes that the base has them in."""
        dtypes = _dtypes(self._base.folder)
        kept = {
            name: weight.detach().to("cpu", dtypes[name], copy=True)
            for name, weight in self._model.state_dict().items()
            if not name.startswith(SPEAKER_ENCODER)
        }
        kept[EMBEDDING][SPEAKER_ROW] = self._speaker.to("cpu", kept[EMBEDDING].dtype)
        return kept


def load_weights(model: Any, folder: Path) -> None:
    """Those of a checkpoint, into a model that has others. Raises InvalidRequest for one of another size."""
    try:
        for file in weights(folder):
            model.load_state_dict(load_file(file), strict=False)
    except RuntimeError:
        message = "that voice was made of another base checkpoint than this model's"
        raise InvalidRequest(message, param="payload.resume_job_id") from None


def _dtypes(folder: Path) -> dict[str, torch.dtype]:
    found: dict[str, torch.dtype] = {}
    for file in weights(folder):
        with safe_open(file, framework="pt") as opened:
            found |= {name: DTYPES[opened.get_slice(name).get_dtype()] for name in opened.keys()}  # noqa: SIM118
    return found
