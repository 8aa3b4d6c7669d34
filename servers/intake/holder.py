"""The name under which this machine takes work, which its next process has too: what the last one left behind
is its own at once, and need not wait for the end of a lease.
"""

from __future__ import annotations

import fcntl
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FILE = "intake.id"
log = logging.getLogger(__name__)


@contextmanager
def sole_holder(data_dir: Path) -> Iterator[str]:
    """The name, once no other process of this data_dir has it: a predecessor's, which ends, is waited for."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / FILE).open("a+", encoding="ascii") as file:
        _lock(file)
        file.seek(0)
        name = file.read().strip()
        if not name:
            name = uuid.uuid4().hex
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        yield name


def _lock(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another intake has this data_dir: its end is waited for", extra={"action": "wait"})
        fcntl.flock(file, fcntl.LOCK_EX)
