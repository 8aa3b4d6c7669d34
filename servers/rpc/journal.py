"""The record of a session on disk, from which it is gone on with after the worker was killed.

One file of JSON lines for each open session: how it was started, then what it was told and what it sent,
in order. It is written before the client hears of it, and removed with the session. No fsync: a killed
process loses nothing that it has written, and with the machine the clients' streams are gone too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from servers.errors import StorageFailed

log = logging.getLogger(__name__)
Entry = dict[str, Any]
SUFFIX = ".jsonl"


class Journal:
    """Of one session. `append` raises StorageFailed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def append(self, entry: Entry) -> None:
        line = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        try:
            if self._file is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            self._file.write(line)
        except OSError as error:
            raise StorageFailed(f"the session could not be recorded: {error.strerror}") from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        self.close()
        self._path.unlink(missing_ok=True)


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
            yield Journal(path), entries
        else:
            path.unlink(missing_ok=True)
