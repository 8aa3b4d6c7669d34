"""A disk of a few megabytes and files, to be filled for real."""

from __future__ import annotations

import errno
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Missing(Exception):
    """No disk can be made here; the message says why."""


class SmallDisk:
    """A file system of its own, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """To the last byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                _write_until_full(file, bytes(size))

    def free(self) -> None:
        """Takes away what `fill` or `take_files` brought."""
        for ballast in self.folder.glob(f"{self._ballast.name}*"):
            ballast.unlink()

    def take_files(self) -> None:
        """No more files can be made; those that are there can still grow."""
        with suppress(OSError):
            for number in itertools.count():
                (self.folder / f"{self._ballast.name}-{number}").touch()


def _write_until_full(file, block: bytes) -> None:
    try:
        while file.write(block) == len(block):
            continue
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def small_disk(megabytes: int, files: int = 1_000) -> Iterator[SmallDisk]:
    """Raises Missing where this user may mount nothing."""
    folder = Path(tempfile.mkdtemp(prefix="disk-", dir="/tmp"))
    try:
        _mount(folder, megabytes, files)
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def _mount(folder: Path, megabytes: int, files: int) -> None:
    if shutil.which("mount") is None:
        raise Missing("there is no program mount (Linux has it) to make a small disk with")
    command = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={megabytes}m,nr_inodes={files}",
        "skylark-test",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"a small disk cannot be mounted (root may, in most containers): {done.stderr.strip()}")
