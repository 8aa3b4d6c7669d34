"""Voices that clients made of a recording: `data_dir`/voices/<whose>/<name>/ with voice.json and the clip.

A voice belongs to the API key that made it: for every other key it does not exist.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from servers.atomic import write_atomically
from servers.errors import Conflict, NotFound, TooLarge
from servers.owners import folder_name
from servers.speech import Noun
from servers.storage import storing

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
VOICE = "voice.json"
LEFT_BEHIND_S = 3_600.0
"""So old is what a process that died has left half made or half removed."""


class ClonedVoice(Noun):
    """`clip` is its file, called by what is in it: a voice made anew is never taken for the one before."""

    name: str
    clip: str
    reference_text: str
    consent: str
    """How whoever is heard has agreed, in words."""
    language: str | None = None
    description: str | None = None
    duration_s: float
    """Of the clip."""
    created_at: float
    """Seconds since the epoch."""


def voices_folder(data_dir: Path) -> Path:
    """The one that has the owners' folders."""
    return data_dir / "voices"


class ClonedVoices:
    """Any thread and any process may use it; `most` is for each key. Names differ by more than their case."""

    def __init__(self, data_dir: Path, most: int) -> None:
        self._folder, self._most = voices_folder(data_dir), most

    def add(self, owner: str | None, voice: ClonedVoice, clip: bytes) -> None:
        """Keeps it whole or not at all, on the disk when this returns.

        Raises Conflict where the name is taken, TooLarge where the key has as many as it may, StorageFailed.
        """
        with storing("the voice"):
            home = self._home(owner)
            home.mkdir(parents=True, exist_ok=True)
            _clear(home)
            if len(self.of(owner)) >= self._most:
                raise TooLarge(f"{self._most} voices are possible; remove one first", param="name")
            with _made(home) as new:
                write_atomically(new / voice.clip, clip, mode=0o600)
                write_atomically(new / VOICE, voice.model_dump_json().encode(), mode=0o600)
                if not _renamed(new, home / voice.name.casefold()):
                    message = (
                        f"there is a voice {voice.name!r} already; remove it first, or choose another name"
                    )
                    raise Conflict(message, param="name")

    def find(self, owner: str | None, name: str | None) -> ClonedVoice | None:
        """The voice of that name, if this key has made one."""
        if not name or NAME.fullmatch(name) is None:
            return None
        return _read(self._home(owner) / name.casefold())

    def of(self, owner: str | None) -> list[ClonedVoice]:
        """All that this key has made, by their names."""
        folders = sorted(self._home(owner).glob("[!.]*"))
        return [voice for voice in map(_read, folders) if voice is not None]

    def clip(self, owner: str | None, voice: ClonedVoice) -> Path:
        return self._home(owner) / voice.name.casefold() / voice.clip

    def remove(self, owner: str | None, name: str) -> None:
        """It and its clip are gone when this returns. Raises NotFound and StorageFailed."""
        home, found = self._home(owner), self.find(owner, name)
        gone = home / _hidden()
        with storing("that the voice is gone"):
            if found is None or not _renamed(home / found.name.casefold(), gone):
                raise NotFound(f"there is no cloned voice {name[:80]!r}", param="name")
            shutil.rmtree(gone)
            _clear(home)

    def _home(self, owner: str | None) -> Path:
        return self._folder / folder_name(owner)


def _read(folder: Path) -> ClonedVoice | None:
    """None where there is none, or it has just been removed."""
    try:
        return ClonedVoice.model_validate_json((folder / VOICE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def _made(home: Path) -> Iterator[Path]:
    """A new hidden folder; what is not renamed is gone at the end."""
    new = home / _hidden()
    new.mkdir(mode=0o700)
    try:
        yield new
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(new)


def _hidden() -> str:
    return f".{uuid.uuid4().hex}"


def _renamed(old: Path, new: Path) -> bool:
    """Whether it is, durably; not where `old` has gone, or something is at `new`."""
    try:
        os.rename(old, new)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            return False
        raise
    home = os.open(new.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(home)
    finally:
        os.close(home)
    return True


def _clear(home: Path) -> None:
    """Removes what was left behind."""
    for hidden in home.glob(".*"):
        try:
            if time.time() - hidden.stat().st_mtime > LEFT_BEHIND_S:
                shutil.rmtree(hidden)
        except FileNotFoundError:  # another process was quicker
            continue
