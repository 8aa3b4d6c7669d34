"""The models from their folders: Whisper, those that align, and the one that tells speakers apart."""

from __future__ import annotations

import logging
import os
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from servers.backends._whisper.device import Device, free
from servers.backends._whisper.folders import Folder, library_errors
from servers.backends._whisperx.aligner import Aligner
from servers.errors import ModelLoadFailed
from servers.extras import require

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
"""Nothing is downloaded at run time, nor told to anyone. The libraries read this when they are imported."""
log = logging.getLogger(__name__)


def import_libraries() -> None:
    """Raises MissingExtra where whisperx is not installed, ModelLoadFailed where it is and cannot work."""
    require("whisperx", "whisperx")
    os.environ |= OFFLINE
    _quieten()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyannote warns of ways to read audio files that are not used here
        try:
            import whisperx.alignment
            import whisperx.asr
            import whisperx.diarize  # noqa: F401
        except (ImportError, OSError) as error:  # versions that do not fit, or a library of CUDA's missing
            raise ModelLoadFailed(
                f"whisperx cannot be imported ({error}); its packages fit together as requirements-cpu.lock "
                "and requirements-cuda.lock name them"
            ) from error
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its import sets another


def _quieten() -> None:
    """Without a handler whisperx makes one that prints to stdout; and its warnings quote texts."""
    chatter = logging.getLogger("whisperx")
    chatter.setLevel(logging.ERROR)
    if not chatter.handlers:
        chatter.addHandler(logging.NullHandler())


def gpus() -> int:
    """Those that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def use_threads(wanted: int) -> int:
    """How many threads this process computes with on the CPU, 0 being one for each core."""
    import torch

    threads = wanted or os.cpu_count() or 1
    torch.set_num_threads(threads)
    return threads


def whisper(folder: Folder, device: Device, threads: int) -> Any:
    """A whisperx pipeline: Whisper, and the voice activity detection that whisperx brings along.

    Raises ModelLoadFailed.
    """
    import whisperx.asr

    folder.check_whisper()
    with library_errors(folder):
        return whisperx.asr.load_model(
            str(folder.path),
            device=device.kind,
            device_index=device.index,
            compute_type=device.compute_type,
            local_files_only=True,
            threads=threads,
        )


def alignment(folder: Folder, language: str, device: str) -> Aligner:
    """Raises ModelLoadFailed."""
    import whisperx.alignment

    folder.check_alignment()
    with library_errors(folder), redirect_stdout(StringIO()):  # it prints its errors, and raises them too
        model, metadata = whisperx.alignment.load_align_model(
            language, device, model_name=str(folder.path), model_cache_only=True
        )
    size = model.config.vocab_size
    letters = {letter: token for letter, token in metadata["dictionary"].items() if token < size}
    return Aligner(model.eval(), letters, language, device)


def diarization(folder: Folder, device: str) -> Any:
    """whisperx's pipeline around pyannote's. Raises ModelLoadFailed."""
    import whisperx.diarize

    folder.check_pipeline()
    with library_errors(folder):
        return whisperx.diarize.DiarizationPipeline(str(folder.path), device=device)


class Aligners:
    """The alignment models by language: each loaded when it is first asked for, a few of them kept."""

    def __init__(self, folders: Mapping[str, Folder], device: str, most: int) -> None:
        self._folders, self._device, self._most = folders, device, most
        self._resident: OrderedDict[str, Aligner] = OrderedDict()
        self.languages = tuple(folders)

    def get(self, language: str) -> Aligner:
        """That of a language among `languages`. Raises ModelLoadFailed."""
        if language not in self._resident:
            self._make_room()
            self._resident[language] = alignment(self._folders[language], language, self._device)
            fields = {"action": "alignment_loaded", "language": language, "device": self._device}
            log.info("an alignment model was loaded", extra=fields)
        self._resident.move_to_end(language)
        return self._resident[language]

    def _make_room(self) -> None:
        if len(self._resident) >= self._most:
            while len(self._resident) >= self._most:
                self._resident.popitem(last=False)
            free(self._device)  # only now that nothing refers to them
