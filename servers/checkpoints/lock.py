"""One pull into a folder at a time, also of several checkouts and containers that share models_dir."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from servers.errors import Conflict
from servers.storage import storing

LOCKS = ".locks"
"""The folder in models_dir with a file for each checkpoint. They stay: one that is gone locks nobody out."""
WAIT_LIMIT_S = 3600.0
LOOK_S = 0.1


@contextmanager
def alone_in(folder: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """Holds the folder's lock; whether it was waited for, of which `say` is told.

    The system lets go of a dead process's. Raises Conflict after WAIT_LIMIT_S, and StorageFailed where
    models_dir cannot be written.
    """
    with storing(f"the checkpoint {folder.name}"):
        (folder.parent / LOCKS).mkdir(parents=True, exist_ok=True)
        file = (folder.parent / LOCKS / folder.name).open("ab")
    with file:
        waited = not _taken(file)
        if waited:
            say("another pull of it is under way: waiting for that to end")
            _wait(file, folder.name)
        yield waited


def _wait(file: BinaryIO, name: str) -> None:
    until = time.monotonic() + WAIT_LIMIT_S
    while not _taken(file):
        if time.monotonic() > until:
            raise Conflict(f"another pull of {name} has not ended within {WAIT_LIMIT_S:g} s: end it")
        time.sleep(LOOK_S)


def _taken(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
