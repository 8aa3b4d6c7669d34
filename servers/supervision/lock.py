"""The lock of a data_dir, which `skylark up` holds for as long as it lives."""

from __future__ import annotations

import fcntl
from pathlib import Path

LOCK = "up.lock"


def is_held(lock: Path) -> bool:
    """Whether a living process holds the file's lock: the system lets go of a dead one's."""
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
