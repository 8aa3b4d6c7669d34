"""The name under which this machine takes work, which its next process has too: what the last one left behind
is its own at once, and need not wait for the end of a lease.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.settings import SettingsError

FILE = "intake.id"


@contextmanager
def sole_holder(data_dir: Path) -> Iterator[str]:
    """The name, as long as no other process of this data_dir has it. Raises SettingsError where one does."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / FILE).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"data_dir: another intake takes work in for {data_dir}") from None
        file.seek(0)
        name = file.read().strip()
        if not name:
            name = uuid.uuid4().hex
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        yield name
