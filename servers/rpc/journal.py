"""The record of a session on disk, from which it is gone on with after the worker was killed.

One file of JSON lines for each open session: how it was started, then what it was told and what it sent,
in order. It is written before the client hears of it, and removed with the session. No fsync: a killed
process loses nothing that it has written, and with the machine the clients' streams are gone too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from servers.atomic import write_atomically
from servers.errors import StorageFailed

log = logging.getLogger(__name__)
Entry = dict[str, Any]
SUFFIX = ".jsonl"
LONG_BYTES = 1 << 20


class Journal:
    """Of one session. What writes raises StorageFailed, and has then written nothing."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """`size` is that of the file, where an earlier process has written it."""
        self._path, self._size = path, size
        self._whole = 0
        """The size after it was last written anew."""
        self._file: FileIO | None = None

    @property
    def is_long(self) -> bool:
        """Most of it is of the past: it is worth writing anew."""
        return self._size > LONG_BYTES + 2 * self._whole

    def append(self, entry: Entry) -> None:
        line = _line(entry)
        try:
            if self._file is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = FileIO(self._path, "ab")
            if self._file.write(line) != len(line):  # the disk is full
                self._file.truncate(self._size)
                raise StorageFailed("the session could not be recorded: no space is left")
        except OSError as error:
            raise StorageFailed(f"the session could not be recorded: {error.strerror}") from None
        self._size += len(line)

    def rewrite(self, entries: Sequence[Entry]) -> None:
        """These stand for all that it had."""
        content = b"".join(map(_line, entries))
        try:
            write_atomically(self._path, content)
        except OSError as error:
            raise StorageFailed(f"the session could not be recorded: {error.strerror}") from None
        self.close()
        self._size = self._whole = len(content)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            fields = {"action": "forget_session", "file": self._path.name, "error": error.strerror}
            log.warning("a session's record cannot be removed: the next worker goes on with it", extra=fields)


def _line(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def recorded(folder: Path) -> Iterator[tuple[Journal, list[Entry]]]:
    """What is there of earlier sessions. Half a line, which a killed worker leaves, was told to nobody: the
    file is cut before it. One that cannot be read is removed, and logged.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            entries = [json.loads(line) for line in whole.splitlines()]
            if len(whole) < len(content):
                path.write_bytes(whole)
        except (OSError, ValueError) as error:
            fields = {"action": "forget_session", "file": path.name, "error": type(error).__name__}
            log.warning("a session's record cannot be read, and is removed", extra=fields)
            path.unlink(missing_ok=True)
            continue
        if entries:
            yield Journal(path, len(whole)), entries
        else:
            path.unlink(missing_ok=True)
