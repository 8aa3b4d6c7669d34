"""The audio that /v1/tts was asked to keep as files: each client's in a folder of its own, for a while.

    <folder>/<whose>/<id>.<format>

`whose` is made of the id of the key that asked: a file is found by whoever made it, and by nobody else.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO
from uuid import UUID

from servers.atomic import unfinished
from servers.audio.encode import FORMATS
from servers.errors import NotFound
from servers.nofollow import LinkInPath, NotRegular, folder_of, open_regular
from servers.owners import folder_name
from servers.storage import storing

LOOK_EVERY_S = 60.0


class GeneratedAudio:
    """Thread-safe; any number of processes may have the same folder. `clock` is seconds since the epoch."""

    def __init__(self, folder: Path, keep_s: float, clock: Callable[[], float] = time.time) -> None:
        self._given, self._keep_s, self._clock = folder, keep_s, clock
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def keep(self, owner: str | None, audio_id: UUID, format: str, audio: IO[bytes]) -> str:
        """Writes a file, whole or not at all; returns its path below the folder. Raises StorageFailed."""
        self.clear()
        name = f"{folder_name(owner)}/{audio_id}.{format}"
        path = self._folder / name
        with storing("the audio"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with folder_of(path) as folder, unfinished(folder) as new:
                shutil.copyfileobj(audio, new.file)
                new.replace(path.name)
        return name

    def open(self, owner: str | None, audio_id: UUID) -> tuple[BufferedReader, str]:
        """The file and its format. Raises NotFound for one that is another key's or is no longer kept."""
        self.clear()
        for format in FORMATS:
            with suppress(FileNotFoundError, LinkInPath, NotRegular):
                return open_regular(self._folder / folder_name(owner) / f"{audio_id}.{format}"), format
        raise NotFound(f"there is no audio {str(audio_id)!r}, or it is no longer kept", param="id")

    def clear(self) -> None:
        """Removes what is older than it is kept, once in LOOK_EVERY_S."""
        with self._lock:
            now = self._clock()
            if now - self._looked_at < LOOK_EVERY_S:
                return
            self._looked_at = now
        for file in self._folder.glob("*/*.*"):
            with suppress(FileNotFoundError):  # another process was quicker
                if now - file.lstat().st_mtime > self._keep_s:
                    file.unlink()

    @property
    def _folder(self) -> Path:
        """It may itself be reached by a link, which its owner has put there; below it none is followed."""
        return self._given.resolve()
