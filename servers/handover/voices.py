"""Voices that clients made of a recording are kept in the bucket: the next machine has them, and so has the
other place of this one, to which a release leads the clients.

In the bucket a voice is the files that it is on the disk (servers/cloned_voices.py). Its voice.json is put
there last and removed first: a voice without one is none, there as here. That one was removed, and when, an
empty object says, so that it comes back from no disk on which it still is.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from servers.cloned_voices import VOICE
from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.handover.bucket import Bucket

PREFIX, REMOVED = "voices/", "removed-voices/"
LOOK_EVERY_S = 5.0
LIST_EVERY = 6
"""Looks between two that ask the bucket what was made and removed elsewhere."""

Sleep = Callable[[float], object]
Name = PurePosixPath
"""What a voice is called here: the folder of its owner, and its own."""


@dataclass(frozen=True)
class Version:
    """Which of the voices under a name it is: another recording has another clip."""

    clip: str
    made_at_ns: int


@dataclass(frozen=True)
class Stored:
    """What the bucket has."""

    clips: Mapping[Name, str]  # of the voices that are whole
    removed_at_ns: Mapping[tuple[Name, str], int]  # by a voice's name and clip


class KeptVoices:
    """`folder` has the owners' folders. Thread-safe; every method raises CloudFailed and OSError."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self._folder, self._bucket = folder, bucket
        self._kept: dict[Name, Version] = {}
        self._one_at_a_time = threading.Lock()

    def exchange(self) -> None:
        """What was made and removed elsewhere is so here, and the other way round."""
        with self._one_at_a_time:
            self._remove_there()
            stored = self._stored()
            self._remove_here(stored)
            self._note(stored)
            self._put()
            self._fetch(stored)

    def keep(self) -> None:
        """What was made here since is put into the bucket, and what was removed here is removed there."""
        with self._one_at_a_time:
            self._remove_there()
            self._put()

    def _remove_there(self) -> None:
        """What was removed here."""
        for name in self._kept.keys() - self._here().keys():
            self._say_removed(name)
            self._clear_there(name)
            del self._kept[name]

    def _remove_here(self, stored: Stored) -> None:
        """What was removed elsewhere since it was made, or fetched."""
        for name, version in self._here().items():
            if stored.removed_at_ns.get((name, version.clip), 0) > version.made_at_ns:
                gone = self._hidden(name)
                (self._folder / name).rename(gone)
                shutil.rmtree(gone)
                self._kept.pop(name, None)

    def _note(self, stored: Stored) -> None:
        """What is both here and there, as after a start."""
        for name, version in self._here().items():
            if stored.clips.get(name) == version.clip:
                self._kept[name] = version

    def _put(self) -> None:
        """What was made here."""
        for name, version in self._here().items():
            before = self._kept.get(name)
            if before == version:
                continue
            if before is not None and before.clip != version.clip:
                self._say_removed(name)
            if self._is_put(name, version):
                self._kept[name] = version

    def _fetch(self, stored: Stored) -> None:
        """What was made elsewhere."""
        here = self._here()
        for name, clip in stored.clips.items():
            if name not in here and name not in self._kept:
                self._fetch_one(name, clip)

    def _here(self) -> dict[Name, Version]:
        found = {}
        for told in self._folder.glob(f"*/[!.]*/{VOICE}"):
            try:
                (clip,) = [file.name for file in told.parent.iterdir() if file.name != VOICE]
                found[Name(told.parent.relative_to(self._folder))] = Version(clip, told.stat().st_mtime_ns)
            except (FileNotFoundError, ValueError):  # it was removed since it was listed
                continue
        return found

    def _stored(self) -> Stored:
        clips, whole, removed = {}, set(), {}
        for key in self._bucket.keys(PREFIX):
            path = Name(key.removeprefix(PREFIX))
            if path.name == VOICE:
                whole.add(path.parent)
            else:
                clips[path.parent] = path.name
        for key in self._bucket.keys(REMOVED):
            path = Name(key.removeprefix(REMOVED))
            removed[path.parent.parent, path.parent.name] = int(path.name)  # the last one is the latest
        return Stored({name: clip for name, clip in clips.items() if name in whole}, removed)

    def _is_put(self, name: Name, version: Version) -> bool:
        """False where it was removed meanwhile."""
        self._clear_there(name)
        try:
            for file in (version.clip, VOICE):
                self._bucket.put_file(f"{PREFIX}{name}/{file}", self._folder / name / file)
        except FileNotFoundError:
            return False
        return True

    def _say_removed(self, name: Name) -> None:
        self._bucket.put_json(f"{REMOVED}{name}/{self._kept[name].clip}/{time.time_ns()}", {})

    def _clear_there(self, name: Name) -> None:
        keys = self._bucket.keys(f"{PREFIX}{name}/")
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{VOICE}")):
            self._bucket.delete(key)

    def _fetch_one(self, name: Name, clip: str) -> None:
        """It appears whole, and not where one was made under its name meanwhile."""
        (self._folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = self._hidden(name)
        arriving.mkdir(mode=0o700)
        try:
            for file in (clip, VOICE):
                with (arriving / file).open("wb") as opened:
                    self._bucket.fetch(f"{PREFIX}{name}/{file}", opened)
            arriving.rename(self._folder / name)
        except BaseException:
            shutil.rmtree(arriving)
            raise
        self._kept[name] = Version(clip, (self._folder / name / VOICE).stat().st_mtime_ns)

    def _hidden(self, name: Name) -> Path:
        """A folder beside it that is no voice."""
        return self._folder / name.parent / f".{uuid.uuid4().hex}"


def exchange_patiently(kept: KeptVoices, changes: Changes, sleep: Sleep = time.sleep) -> None:
    """Until it is done: a machine without the voices that there are is not ready."""
    while not _done(kept.exchange, changes):
        sleep(LOOK_EVERY_S)


def keep_always(kept: KeptVoices, changes: Changes, sleep: Sleep = time.sleep) -> None:
    """For ever; what could not be kept is at the next look."""
    look = 0
    while True:
        sleep(LOOK_EVERY_S)
        look += 1
        _done(kept.keep if look % LIST_EVERY else kept.exchange, changes)


def _done(exchange: Callable[[], None], changes: Changes) -> bool:
    try:
        exchange()
    except (CloudFailed, OSError) as error:
        changes.fault("voices", f"the cloned voices cannot be kept: {error}")
        return False
    changes.well("voices", "the cloned voices are kept again")
    return True
