"""Writing a file whole or not at all: a reader, or the next run after a crash, never sees half of one.

What is written stands beside its place under a hidden name until it is on the disk. A link at the place is
replaced, not followed. Everything here raises OSError, and leaves nothing behind when it does.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NAME_BYTES = 200
"""So much of the file's own name is in the hidden one, which a file system lets have 255."""


def write_atomically(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """`content` at the path, in place of what is there; `mode` is as `replacing` has it."""
    with replacing(path, mode=mode) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, mode: int | None = None, sync_folder: bool = False) -> Iterator[BinaryIO]:
    """A file to write to, which takes the path's place when the block ends without an error.

    `mode` is its permissions, otherwise the process's umask has the say. With `sync_folder` its name is as
    durable as its bytes; without, a power cut may bring back what was there before, as whole as it was.
    """
    with _beside(path, mode) as (file, unfinished):
        yield file
        _sync(file)
        unfinished.replace(path)
    if sync_folder:
        _sync_folder(path.parent)


def create_atomically(path: Path, content: bytes, *, mode: int | None = None) -> bool:
    """Puts `content` at the path unless something is there already; whether it did."""
    with _beside(path, mode) as (file, unfinished):
        file.write(content)
        _sync(file)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
    return True


@contextmanager
def _beside(path: Path, mode: int | None) -> Iterator[tuple[BinaryIO, Path]]:
    name = os.fsdecode(os.fsencode(path.name)[:NAME_BYTES])
    unfinished = path.with_name(f".{name}.{uuid.uuid4().hex}")
    try:
        with unfinished.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            yield file, unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
