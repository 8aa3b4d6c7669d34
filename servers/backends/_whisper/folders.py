"""Checkpoints' folders, looked at before a library is let at them: a library's own words seldom help."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers.checkpoints import folder_of, locate, mend
from servers.errors import ModelLoadFailed, SkylarkError

WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")
ALIGNMENT_FILES = ("config.json", "preprocessor_config.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
ALIGNMENT_MODEL = "Wav2Vec2ForCTC"
PIPELINE_FILE = "config.yaml"


class Folder:
    """A checkpoint that models.yaml names: `key` is the option that does, `model` the entry it stands in."""

    def __init__(self, checkpoint: Path, key: str, model: str) -> None:
        self._checkpoint, self.path = checkpoint, folder_of(checkpoint)
        self._place = f"{model}: {key}"

    def fault(self, what: str) -> ModelLoadFailed:
        """An error that says what is wrong and what mends it."""
        return ModelLoadFailed(
            f"{self._place}: the checkpoint at {self.path} {what}: {mend(self._checkpoint)}"
        )

    def check_whisper(self) -> None:
        """Raises ModelLoadFailed unless it looks like a Whisper of ctranslate2's."""
        self._check_files(WHISPER_FILES)

    def check_alignment(self) -> None:
        """Raises ModelLoadFailed unless it looks like a wav2vec2 CTC model of transformers'."""
        self._check_files(ALIGNMENT_FILES)
        if not any((self.path / name).is_file() for name in WEIGHTS):
            raise self.fault(f"lacks {' or '.join(WEIGHTS)}")
        kinds = self._config().get("architectures") or ["no model"]
        if ALIGNMENT_MODEL not in kinds:
            raise self.fault(f"holds {', '.join(map(str, kinds))} and not {ALIGNMENT_MODEL}")

    def check_pipeline(self) -> None:
        """Raises ModelLoadFailed unless it looks like a pipeline of pyannote's."""
        self._check_files((PIPELINE_FILE,))

    def _check_files(self, names: Sequence[str]) -> None:
        locate(self._checkpoint)
        missing = [name for name in names if not (self.path / name).is_file()]
        if missing:
            raise self.fault(f"lacks {', '.join(missing)}")
        for name in names:
            if not (self.path / name).stat().st_size:
                raise self.fault(f"is broken: {name} is empty")

    def _config(self) -> dict[str, Any]:
        try:
            config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except ValueError:
            raise self.fault("is broken: config.json is not JSON") from None
        if not isinstance(config, dict):
            raise self.fault("is broken: config.json is not an object")
        return config


@contextmanager
def library_errors(folder: Folder) -> Iterator[None]:
    try:
        yield
    except (SkylarkError, MemoryError):
        raise
    except Exception as error:  # tokenizers raises no other, and here all mean the same
        if "out of memory" in str(error).lower():
            raise
        reason = error.__context__ or error  # whisperx raises an advice instead of what it met
        raise folder.fault(f"cannot be loaded ({type(reason).__name__}: {reason})") from error
