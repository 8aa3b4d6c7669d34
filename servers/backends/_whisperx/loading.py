"""The models from their folders: Whisper, those that align, and the one that tells speakers apart.

Folders are looked at before a library is let at them: a library's own words seldom help.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from servers.backends._whisperx.aligner import Aligner
from servers.backends._whisperx.device import Device, free
from servers.backends._whisperx.languages import is_auto
from servers.backends._whisperx.options import WhisperxOptions, WhisperxRequest
from servers.backends._whisperx.recogniser import Recogniser
from servers.backends._whisperx.speakers import Diarizer
from servers.checkpoints import folder_of, locate, mend
from servers.errors import AudioTooLong, InvalidRequest, ModelLoadFailed, SkylarkError
from servers.extras import require

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
"""Nothing is downloaded at run time, nor told to anyone. The libraries read this when they are imported."""
WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")
ALIGNMENT_FILES = ("config.json", "preprocessor_config.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
ALIGNMENT_MODEL = "Wav2Vec2ForCTC"
PIPELINE_FILE = "config.yaml"
DIARIZED_S = 4 * 3600.0
"""Speakers are told apart in a whole recording at once, which has to fit into the memory."""
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


def use_threads(wanted: int) -> int:
    """How many threads this process computes with on the CPU, 0 being one for each core."""
    import torch

    threads = wanted or os.cpu_count() or 1
    torch.set_num_threads(threads)
    return threads


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


@dataclass(frozen=True)
class LoadedModel:
    """What a model is made of, and what it can be asked for; `diarizer` is None where none is configured."""

    recogniser: Recogniser
    aligners: Aligners
    diarizer: Diarizer | None
    options: WhisperxOptions

    def language(self, wanted: str | None) -> str | None:
        """Whisper's code, None where it is to be detected. Raises InvalidRequest."""
        language = wanted or self.options.language
        return None if is_auto(language) else self.recogniser.code(language)

    def check(self, request: WhisperxRequest, duration_s: float) -> None:
        """Raises InvalidRequest, saying what is possible, for what this model cannot do."""
        request.check()
        if request.translate and not self.recogniser.multilingual:
            raise InvalidRequest("this model knows English only: it cannot translate", param="translate")
        if request.diarize:
            self._check_diarization(duration_s)

    def _check_diarization(self, duration_s: float) -> None:
        if self.diarizer is None:
            raise InvalidRequest(
                "this model cannot tell speakers apart: its entry in models.yaml names no pipeline's folder; "
                "diarization: FOLDER does",
                param="diarize",
            )
        if duration_s > DIARIZED_S:
            hours = DIARIZED_S / 3600
            raise AudioTooLong(
                f"speakers can be told apart in at most {hours:g} hours of audio", param="diarize"
            )

    def alignment_language(self, language: str) -> str:
        """That of the aligner for it. Raises InvalidRequest where there is none."""
        return self.recogniser.code(language, self.aligners.languages, "alignment model")

    def check_alignment(self, request: WhisperxRequest, language: str) -> None:
        """Raises InvalidRequest where words' times are asked for in a language without an alignment model."""
        if request.words:
            self.alignment_language(language)
