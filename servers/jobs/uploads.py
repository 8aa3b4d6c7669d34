"""The recordings that clients sent: one file each under data_dir/uploads, until its job has ended.

A door saves a recording before it submits the job and discards it afterwards. What is left behind, `sweep`
finds: the files of a door that died, and those of a request with an idempotency key that ended before its
jobs, for these go on.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

from servers.atomic import unfinished
from servers.storage import storing

COPY_BYTES = 1 << 20


class Uploads:
    """The folder that holds them. Any thread and any process may use it."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "uploads"
        self._folder.mkdir(parents=True, exist_ok=True)

    def save(
        self, data: bytes | BinaryIO, suffix: str = "", *, identity: Sequence[str] | None = None
    ) -> Path:
        """A file with the bytes, or what is left of the stream; on the disk when this returns.

        Its name is a new one; with an `identity` it follows from that and from the bytes, so that the same
        saved again is the same file, of a new age. `suffix` (".wav") is for people who look into the folder.
        Raises StorageFailed.
        """
        if not re.fullmatch(r"(\.[a-z0-9]{1,10})?", suffix):
            raise ValueError(f"{suffix!r} is not a file's suffix")
        stream = BytesIO(data) if isinstance(data, bytes) else data
        with storing("the recording"), unfinished(self._folder) as new:
            digest = _copy(stream, new.file)
            name = uuid.uuid4().hex if identity is None else _name(identity, digest)
            new.replace(f"{name}{suffix}", sync_folder=True)
        return self._folder / f"{name}{suffix}"

    def discard(self, path: Path) -> None:
        """Removes an upload; one that is gone already is fine. Raises ValueError for any other file."""
        if path.parent != self._folder:
            raise ValueError(f"{path} is no upload")
        path.unlink(missing_ok=True)

    def sweep(self, older_than_s: float, now: float) -> int:
        """Removes what was saved longer ago than that, `now` being seconds since the epoch; how many."""
        swept = 0
        for file in self._folder.iterdir():
            try:
                if file.is_file() and now - file.stat().st_mtime > older_than_s:
                    file.unlink()
                    swept += 1
            except FileNotFoundError:  # its door was faster
                continue
        return swept


def _copy(stream: BinaryIO, file: IO[bytes]) -> str:
    """All that is left of the stream; the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    while data := stream.read(COPY_BYTES):
        digest.update(data)
        file.write(data)
    return digest.hexdigest()


def _name(identity: Sequence[str], digest: str) -> str:
    return hashlib.sha256(json.dumps([*identity, digest]).encode()).hexdigest()
