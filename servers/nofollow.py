"""Files by the paths that others chose: no link is followed on the way, and only regular files are opened.

A path is walked from the top, each folder opened in the one before it, so that what was looked at is what is
opened, whoever renames and links meanwhile. A FIFO would stop whoever opens it, and a device may do anything:
neither is touched. Everything here raises OSError, whose `strerror` says what is wrong.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from servers.atomic import SEARCH

FOLDER = SEARCH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class LinkInPath(OSError):
    """A link is on the way, or at its end."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ELOOP, f"links are not followed, and {name!r} is one")


class NotRegular(OSError):
    """What is there is no regular file."""

    def __init__(self, kind: int) -> None:
        found = KINDS.get(kind, "something else")
        super().__init__(errno.EINVAL, f"only regular files are read, and it is {found}")


def open_regular(path: Path) -> BufferedReader:
    """The regular file at the path, open for reading. Never waits for anybody who would write to it."""
    with folder_of(path) as folder:
        _refuse_others(_looked_at(folder, path.name))  # before it is opened, for that alone may do something
        descriptor = _opened(folder, path.name, READ)
    try:
        _refuse_others(os.fstat(descriptor))
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def kind_of(path: Path) -> int | None:
    """What is at the path, as stat.S_IFMT has it; None where nothing is."""
    try:
        with folder_of(path) as folder:
            return stat.S_IFMT(_looked_at(folder, path.name).st_mode)
    except FileNotFoundError:
        return None


@contextmanager
def folder_of(path: Path) -> Iterator[int]:
    """The folder that a file at this path is in, or would be, as a descriptor."""
    folder = os.open(os.sep, FOLDER)
    try:
        for name in Path(os.path.abspath(path)).parts[1:-1]:
            outer, folder = folder, _opened(folder, name, FOLDER)
            os.close(outer)
        yield folder
    finally:
        os.close(folder)


def _opened(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            _looked_at(folder, name)  # where a link is why, it says so
        raise


def _looked_at(folder: int, name: str) -> os.stat_result:
    """What is there itself. Raises LinkInPath for a link."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise LinkInPath(name)
    return found


def _refuse_others(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotRegular(stat.S_IFMT(found.st_mode))
