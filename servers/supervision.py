"""Ends supervisord when it has no reason to go on: the event listener of config/supervisord.conf.

Started by hand, or in an image, supervisord ends once it has given a child up; on its own it would stay,
healthy to look at. Started by `skylark up`, which looks after the children itself and says more about
them, it ends once that process is gone, however it went.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from servers.settings import settings

LOCK = "up.lock"
"""Held in the data_dir by `skylark up` for as long as it lives."""


def main() -> None:
    lock = settings().data_dir / LOCK
    watched_over = is_held(lock)
    for event, fields in events(sys.stdin.buffer, sys.stdout.buffer):
        reason = gone(lock) if watched_over else given_up(event, fields)
        if reason:
            print(f"skylark: {reason}", file=sys.stderr, flush=True)
            os.kill(os.getppid(), signal.SIGTERM)
            return


def given_up(event: str, fields: dict[str, str]) -> str | None:
    if event != "PROCESS_STATE_FATAL":
        return None
    return f"{fields['processname']} cannot be kept running (its log says why): stopping everything"


def gone(lock: Path) -> str | None:
    return None if is_held(lock) else "`skylark up` is gone: stopping what it started"


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


def events(stdin: IO[bytes], stdout: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """supervisord's events as (name, fields), until it closes the pipe. It sends the next one after each."""
    while True:
        stdout.write(b"READY\n")
        stdout.flush()
        header = _fields(stdin.readline())
        if not header:
            return
        yield header["eventname"], _fields(stdin.read(int(header["len"])))
        stdout.write(b"RESULT 2\nOK")
        stdout.flush()


def _fields(line: bytes) -> dict[str, str]:
    pairs = (token.partition(":") for token in line.decode().split())
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    main()
