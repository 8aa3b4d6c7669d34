"""Voices that clients made of a recording are kept in the bucket: the next machine has them, and so has the
other place of this one, to which a release leads the clients.

In the bucket a voice is the files that it is on the disk (servers/cloned_voices.py). Its voice.json is put
there last and removed first: a voice without one is none, there as here. That one was removed, and when, an
empty object says: what was made before that comes back from no disk, and from no half of a removal. What was
kept is remembered beside the voices: one that is removed while nobody looks is missed later.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from servers.atomic import write_atomically
from servers.cloned_voices import NAME, VOICE
from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.handover.bucket import Bucket

PREFIX, REMOVED = "voices/", "removed-voices/"
KEPT = ".kept.json"
OWNER, CLIP = re.compile(r"everyone|[0-9a-f]{32}"), re.compile(r"[0-9a-f]{1,64}\.wav")
LOOK_EVERY_S = 5.0
LIST_EVERY = 6
"""Looks between two that ask the bucket what was made and removed elsewhere."""
PATIENCE_S = 10.0
"""So long is waited for another thread's exchange."""
log = logging.getLogger(__name__)

Sleep = Callable[[float], object]
Name = PurePosixPath
"""What a voice is called here: the folder of its owner, and its own."""


@dataclass(frozen=True)
class Version:
    """Which of the voices under a name it is: the same on every disk and in the bucket."""

    clip: str
    created_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Stored:
    """What the bucket has."""

    clips: Mapping[Name, str]  # of the voices that are whole
    removed_at: Mapping[tuple[Name, str], float]  # by a voice's name and clip, the latest

    def is_removed(self, name: Name, version: Version) -> bool:
        return self.removed_at.get((name, version.clip), 0.0) > version.created_at


class KeptVoices:
    """`folder` has the owners' folders. Thread-safe; every method raises CloudFailed and OSError."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self._folder, self._bucket = folder, bucket
        self._kept = self._remembered()
        self._told = dict(self._kept)
        self._exchanged = False
        self._one_at_a_time = threading.Lock()

    def exchange(self) -> None:
        """What was made and removed elsewhere is so here, and the other way round."""
        self._alone(self._exchange)

    def keep(self) -> None:
        """What was made here since is put into the bucket, and what was removed here is removed there. An
        exchange, where there was none yet: else nobody knows what was removed elsewhere.
        """
        self._alone(self._keep if self._exchanged else self._exchange)

    def _alone(self, do: Callable[[], None]) -> None:
        if not self._one_at_a_time.acquire(timeout=PATIENCE_S):
            raise TimeoutError("another exchange with the bucket has not ended")
        try:
            do()
        finally:
            self._one_at_a_time.release()
            self._remember()

    def _exchange(self) -> None:
        self._remove_there()
        stored = self._stored()
        self._remove_here(stored)
        self._note(stored)
        self._put()
        self._fetch(stored)
        self._exchanged = True

    def _keep(self) -> None:
        self._remove_there()
        self._put()

    def _remove_there(self) -> None:
        """What was removed here: its folder is gone, and not only unreadable."""
        for name in list(self._kept):
            if self._folder.is_dir() and not (self._folder / name).exists():
                self._say_removed(name, self._kept[name])
                self._clear_there(name)
                del self._kept[name]

    def _remove_here(self, stored: Stored) -> None:
        """What was removed elsewhere since it was made."""
        for name, version in self._here().items():
            if stored.is_removed(name, version):
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
                self._say_removed(name, before)
            if self._is_put(name, version):
                self._kept[name] = version

    def _fetch(self, stored: Stored) -> None:
        """What was made elsewhere."""
        for name, clip in stored.clips.items():
            if name not in self._kept and not (self._folder / name).exists():
                self._fetch_one(name, clip)

    def _here(self) -> dict[Name, Version]:
        """Those that can be read."""
        found = {}
        for told in self._folder.glob(f"*/[!.]*/{VOICE}"):
            try:
                found[Name(told.parent.relative_to(self._folder))] = _version(told.read_bytes())
            except (FileNotFoundError, ValueError, KeyError, TypeError):  # just removed, or no voice
                continue
        return found

    def _stored(self) -> Stored:
        clips: dict[Name, str] = {}
        whole, several = set(), Counter[Name]()
        for key in self._bucket.keys(PREFIX):
            name, file = _parts(key, PREFIX)
            if name is None:
                continue
            if file == VOICE:
                whole.add(name)
            elif CLIP.fullmatch(file):
                clips[name] = file
                several[name] += 1
        there = {name: clip for name, clip in clips.items() if name in whole and several[name] == 1}
        return Stored(there, self._removed(REMOVED))

    def _removed(self, prefix: str) -> dict[tuple[Name, str], float]:
        """The latest removals of which keys below that prefix tell."""
        found: dict[tuple[Name, str], float] = {}
        for key in self._bucket.keys(prefix):
            parent, at_ns = key.rpartition("/")[::2]
            name, clip = _parts(parent, REMOVED)
            if name is not None and at_ns.isascii() and at_ns.isdecimal():
                found[name, clip] = max(found.get((name, clip), 0.0), int(at_ns) / 1e9)
        return found

    def _is_put(self, name: Name, version: Version) -> bool:
        """False where it was removed meanwhile. What it was before is there until it is."""
        try:
            for file in (version.clip, VOICE):
                self._bucket.put_file(f"{PREFIX}{name}/{file}", self._folder / name / file)
        except FileNotFoundError:
            return False
        for key in self._bucket.keys(f"{PREFIX}{name}/"):
            if PurePosixPath(key).name not in (version.clip, VOICE):
                self._bucket.delete(key)
        return True

    def _say_removed(self, name: Name, version: Version) -> None:
        self._bucket.put_json(f"{REMOVED}{name}/{version.clip}/{time.time_ns()}", {})

    def _clear_there(self, name: Name) -> None:
        keys = self._bucket.keys(f"{PREFIX}{name}/")
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{VOICE}")):
            self._bucket.delete(key)

    def _fetch_one(self, name: Name, clip: str) -> None:
        """It appears whole, and not where one was made under its name meanwhile. A removal that was cut off,
        or that came meanwhile, is ended instead.
        """
        (self._folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = self._hidden(name)
        arriving.mkdir(mode=0o700)
        try:
            for file in (clip, VOICE):
                with (arriving / file).open("wb") as opened:
                    self._bucket.fetch(f"{PREFIX}{name}/{file}", opened)
                    opened.flush()
                    os.fsync(opened.fileno())
            version = _version((arriving / VOICE).read_bytes())
            removed = self._removed(f"{REMOVED}{name}/{clip}/")
            if version.clip != clip or Stored({}, removed).is_removed(name, version):
                self._clear_there(name)
                shutil.rmtree(arriving)
                return
            arriving.rename(self._folder / name)
        except BaseException:
            shutil.rmtree(arriving, ignore_errors=True)
            raise
        self._kept[name] = version

    def _hidden(self, name: Name) -> Path:
        """A folder beside it that is no voice."""
        return self._folder / name.parent / f".{uuid.uuid4().hex}"

    # what was kept, for the next process of this disk

    def _remembered(self) -> dict[Name, Version]:
        try:
            told = json.loads((self._folder / KEPT).read_bytes())
            return {Name(name): Version(clip, float(at)) for name, (clip, at) in told.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            log.error("what was kept is not remembered", extra={"action": "voices_forgotten"})
            return {}

    def _remember(self) -> None:
        if self._kept == self._told:
            return
        told = {str(name): [version.clip, version.created_at] for name, version in self._kept.items()}
        write_atomically(self._folder / KEPT, json.dumps(told).encode(), mode=0o600)
        self._told = dict(self._kept)


def _version(told: bytes) -> Version:
    """Raises ValueError, KeyError or TypeError for what is no voice.json."""
    voice = json.loads(told)
    if not CLIP.fullmatch(voice["clip"]):
        raise ValueError(f"{voice['clip']!r} is no clip")
    return Version(voice["clip"], float(voice["created_at"]))


def _parts(key: str, prefix: str) -> tuple[Name | None, str]:
    """The voice's name and the file's; no name where it is none of ours."""
    parts = key.removeprefix(prefix).split("/")
    if len(parts) != 3 or not OWNER.fullmatch(parts[0]) or not NAME.fullmatch(parts[1]):
        return None, ""
    return Name(parts[0], parts[1]), parts[2]


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
