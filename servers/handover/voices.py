"""Voices that clients made of a recording, kept in the bucket: the next machine has those of this one.

In the bucket a voice is the files that it is on the disk (servers/cloned_voices.py). Its voice.json is put
there last and removed first: a voice without one is none, there as here.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from servers.cloned_voices import VOICE
from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.handover.bucket import Bucket

PREFIX = "voices/"
LOOK_EVERY_S = 5.0

Version = tuple[int, int]
"""What tells a voice from one that was made anew under its name: of its voice.json the time and the inode."""


class KeptVoices:
    """`folder` has the owners' folders. Thread-safe; every method raises CloudFailed and OSError."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self._folder, self._bucket = folder, bucket
        self._one_at_a_time = threading.Lock()
        self._kept: dict[PurePosixPath, Version] = {}

    def restore(self) -> int:
        """Those of the bucket that are not here; how many. Each appears whole."""
        with self._one_at_a_time:
            return self._restore()

    def _restore(self) -> int:
        restored = 0
        for voice, keys in _by_voice(self._bucket.keys(PREFIX)).items():
            home = self._folder / voice
            if f"{PREFIX}{voice}/{VOICE}" in keys and not home.exists():
                self._fetch(home, keys)
                restored += 1
        self._kept = self._here()
        return restored

    def keep(self) -> None:
        """What was made since is put into the bucket, and what was removed is removed there."""
        with self._one_at_a_time:
            self._keep()

    def _keep(self) -> None:
        here = self._here()
        for voice in self._kept.keys() - here.keys():
            self._remove(voice)
            del self._kept[voice]
        for voice, version in here.items():
            if self._kept.get(voice) != version and self._put(voice):
                self._kept[voice] = version

    def _here(self) -> dict[PurePosixPath, Version]:
        found = {}
        for file in self._folder.glob(f"*/[!.]*/{VOICE}"):
            try:
                stat = file.stat()
            except FileNotFoundError:  # it was removed since it was listed
                continue
            found[PurePosixPath(file.parent.relative_to(self._folder))] = stat.st_mtime_ns, stat.st_ino
        return found

    def _put(self, voice: PurePosixPath) -> bool:
        """False where it was removed meanwhile. What it was before under this name is removed first."""
        self._remove(voice)
        files = sorted((self._folder / voice).iterdir(), key=lambda file: file.name == VOICE)
        for file in files:
            try:
                self._bucket.put_file(f"{PREFIX}{voice}/{file.name}", file)
            except FileNotFoundError:
                return False
        return True

    def _remove(self, voice: PurePosixPath) -> None:
        keys = self._bucket.keys(f"{PREFIX}{voice}/")
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{VOICE}")):
            self._bucket.delete(key)

    def _fetch(self, home: Path, keys: list[str]) -> None:
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = home.parent / f".{uuid.uuid4().hex}"
        arriving.mkdir(mode=0o700)
        try:
            for key in keys:
                with (arriving / PurePosixPath(key).name).open("wb") as file:
                    self._bucket.fetch(key, file)
            arriving.rename(home)
        except BaseException:
            shutil.rmtree(arriving)
            raise


def _by_voice(keys: list[str]) -> Mapping[PurePosixPath, list[str]]:
    """The keys of each voice, called by its owner's folder and its own."""
    voices: dict[PurePosixPath, list[str]] = {}
    for key in keys:
        parts = PurePosixPath(key.removeprefix(PREFIX)).parts
        if len(parts) == 3 and not any(part.startswith(".") for part in parts):
            voices.setdefault(PurePosixPath(*parts[:2]), []).append(key)
    return voices


def restore_patiently(
    kept: KeptVoices, changes: Changes, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Until it is done: a machine without the voices that it had is not ready."""
    while True:
        try:
            kept.restore()
        except (CloudFailed, OSError) as error:
            changes.fault("voices", f"the cloned voices cannot be fetched: {error}")
            sleep(LOOK_EVERY_S)
        else:
            changes.well("voices", "the cloned voices are here")
            return


def keep_always(kept: KeptVoices, changes: Changes, sleep: Callable[[float], object] = time.sleep) -> None:
    """For ever; what could not be kept is at the next look."""
    while True:
        try:
            kept.keep()
        except (CloudFailed, OSError) as error:
            changes.fault("voices", f"the cloned voices cannot be kept: {error}")
        else:
            changes.well("voices", "the cloned voices are kept again")
        sleep(LOOK_EVERY_S)
