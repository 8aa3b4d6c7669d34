"""Writing a file whole or not at all: a reader, or the next run after a crash, never sees half of one.

What is written stands under a hidden name in the folder until it is on the disk. A link at its place is
replaced, not followed. The folder is opened once: one that is renamed meanwhile, or put in its place, changes
nothing. Everything here raises OSError, and leaves nothing behind when it does.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

SEARCH = getattr(os, "O_PATH", os.O_RDONLY)
"""Enough to name files in a folder: where there is an O_PATH, one need not be allowed to list it."""


def write_atomically(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """`content` at the path, in place of what is there; `mode` is as `unfinished` has it."""
    with unfinished(path.parent, mode=mode) as new:
        new.file.write(content)
        new.replace(path.name)


def create_atomically(path: Path, content: bytes, *, mode: int | None = None) -> bool:
    """Puts `content` at the path unless something is there already; whether it did."""
    with unfinished(path.parent, mode=mode) as new:
        new.file.write(content)
        return new.create(path.name)


@dataclass(frozen=True)
class Unfinished:
    """A file that is written, and then given a name in the folder that it was begun in, a descriptor."""

    file: BinaryIO
    _folder: int
    _name: str

    def replace(self, name: str, *, sync_folder: bool = False) -> None:
        """Takes that name from whatever has it.

        With `sync_folder` the name is as durable as the bytes; without, a power cut may bring back what was
        there before, as whole as it was.
        """
        self._sync()
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        if sync_folder:
            with _opened(".", os.O_RDONLY, within=self._folder) as folder:
                os.fsync(folder)

    def create(self, name: str) -> bool:
        """Takes that name if it is free; whether it was."""
        self._sync()
        try:
            os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except FileExistsError:
            return False
        return True

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())


@contextmanager
def unfinished(folder: Path | int, *, mode: int | None = None) -> Iterator[Unfinished]:
    """A file to write to, in a folder or its descriptor. What has no name when the block ends is gone.

    `mode` is its permissions, otherwise the process's umask has the say.
    """
    with nullcontext(folder) if isinstance(folder, int) else _opened(folder, SEARCH) as descriptor:
        name = f".unfinished-{uuid.uuid4().hex}"
        try:
            with _created(name, descriptor, folder) as file:
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                yield Unfinished(file, descriptor, name)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)


def _created(name: str, descriptor: int, folder: Path | int) -> BinaryIO:
    try:
        return open(name, "xb", opener=partial(os.open, mode=0o666, dir_fd=descriptor))
    except OSError as error:
        error.filename = None if isinstance(folder, int) else str(folder)  # nobody knows the hidden name
        raise


@contextmanager
def _opened(folder: Path | str, access: int, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, access | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
