"""Weights and folders that are whole or not there, also after a kill: written aside, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from servers.errors import StorageFailed
from servers.storage import storing

UNFINISHED = ".unfinished"


@contextmanager
def storing_weights(what: str) -> Iterator[None]:
    """`storing`, also for what safetensors says of a disk."""
    try:
        with storing(what):
            yield
    except SafetensorError as error:
        raise StorageFailed(f"{what} could not be stored: {error}") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """In place of what is there. One writer at a time."""
    new = path.with_name(f"{UNFINISHED}-{path.name}")
    try:
        save_file({name: each.contiguous() for name, each in tensors.items()}, new, metadata=dict(about))
        sync(new)
        os.replace(new, path)
        sync(path.parent)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the block ends, in place of what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{UNFINISHED}-{path.name}")
    shutil.rmtree(new, ignore_errors=True)  # of a process that was killed
    try:
        new.mkdir()
        yield new
        for each in new.rglob("*"):
            sync(each)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(new, path)
        sync(path.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def sync(path: Path) -> None:
    """What is there is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
