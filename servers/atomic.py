"""Writing a file whole or not at all: a reader, or the next run after a crash, never sees half of one.

What is written stands under a hidden name in the folder until it is on the disk. A link at its place is
replaced, not followed. Everything here raises OSError, and leaves nothing behind when it does.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """`content` at the path, in place of what is there; `mode` is as `unfinished` has it."""
    with unfinished(path.parent, mode=mode) as new:
        new.file.write(content)
        new.replace(path)


def create_atomically(path: Path, content: bytes, *, mode: int | None = None) -> bool:
    """Puts `content` at the path unless something is there already; whether it did."""
    with unfinished(path.parent, mode=mode) as new:
        new.file.write(content)
        return new.create(path)


@dataclass(frozen=True)
class Unfinished:
    """A file that is written, and then given a place in the folder that it was begun in."""

    file: BinaryIO
    name: Path

    def replace(self, path: Path, *, sync_folder: bool = False) -> None:
        """Takes that place from whatever has it.

        With `sync_folder` the name is as durable as the bytes; without, a power cut may bring back what was
        there before, as whole as it was.
        """
        self._sync()
        self.name.replace(path)
        if sync_folder:
            _sync_folder(path.parent)

    def create(self, path: Path) -> bool:
        """Takes that place if it is free; whether it was."""
        self._sync()
        try:
            os.link(self.name, path)
        except FileExistsError:
            return False
        return True

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())


@contextmanager
def unfinished(folder: Path, *, mode: int | None = None) -> Iterator[Unfinished]:
    """A file to write to. What has no place when the block ends is gone.

    `mode` is its permissions, otherwise the process's umask has the say.
    """
    name = folder / f".unfinished-{uuid.uuid4().hex}"
    try:
        with name.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            yield Unfinished(file, name)
    finally:
        name.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
