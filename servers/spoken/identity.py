"""What a synthesis depends on, as one name: the same name is the same audio.

It has whoever asks in it: how fast an answer comes would tell one key's client what another's has had spoken.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from servers import __version__
from servers.backends.load import backend_class
from servers.checkpoints.folders import MANIFEST, folder_of, pulled
from servers.settings import Settings
from servers.speech import ModelSpec

LOOKED_AT_S = 10.0
"""So long a model's files are taken for what they were: looking at them takes milliseconds."""


def speech_key(
    owner: str | None, model: str, payload: Mapping[str, Any], form: Sequence[str | int | None]
) -> str:
    """`model` is as `Models.identity` has it; `form` is how the audio is written: its format, its rate, …"""
    asked = [owner, model, sorted(payload.items()), list(form)]
    return sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()


class Models:
    """The models by what they are made of: their options, and the files that they speak with."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._known: dict[tuple[str, str], tuple[float, str]] = {}

    def identity(self, model: ModelSpec) -> str:
        """Changes with an option, a checkpoint that is pulled anew or is another's, a voice pack, the file of
        the backend, and the version of Skylark.
        """
        now = self._clock()
        known = self._known.get(model.key)
        if known is None or now - known[0] > LOOKED_AT_S:
            known = self._known[model.key] = now, self._looked_at(model)
        return known[1]

    def _looked_at(self, model: ModelSpec) -> str:
        engine = self._settings.engine
        about = [__version__, model.model_dump(mode="json"), engine.device, engine.dtype]
        files = sorted(_stats(self._files(model)))
        return sha256(json.dumps([about, files], default=str).encode()).hexdigest()

    def _files(self, model: ModelSpec) -> Iterator[Path]:
        """1. The code. 2. Whatever folder an option names. 3. What Piper finds by itself."""
        kind = backend_class(model.backend, self._settings.backends_path)
        yield Path(sys.modules[kind.__module__].__file__ or "")  # 1
        for value in model.options.values():  # 2
            if isinstance(value, str) and value and "\0" not in value:
                yield from _of_checkpoint(folder_of(value))
        for name in pulled():  # 3
            yield folder_of(name) / MANIFEST
        yield from _all_in(self._settings.voicepacks_dir)


def _of_checkpoint(folder: Path) -> Iterable[Path]:
    """Its manifest has the hashes of all files; without one each is looked at."""
    manifest = folder / MANIFEST
    return [manifest] if manifest.is_file() else _all_in(folder)


def _all_in(folder: Path) -> Iterator[Path]:
    for inside, _, names in os.walk(folder):
        yield from (Path(inside, name) for name in names)


def _stats(files: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:  # it has gone meanwhile, or cannot be one
            continue
        yield str(file), found.st_size, found.st_mtime_ns
