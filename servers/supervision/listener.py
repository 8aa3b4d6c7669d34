"""supervisord's event listener: ends supervisord when it has no reason to go on.

Started by hand, or in an image, supervisord ends once it has given a child up; on its own it would stay,
healthy to look at. Started by `skylark up`, which looks after the children itself and says more about
them, it ends once that process is gone, however it went.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from supervisor import childutils

from servers.settings import settings
from servers.supervision import stopping
from servers.supervision.lock import LOCK, is_held
from servers.supervision.processes import may_be_lost


def main() -> None:
    lock = settings().data_dir / LOCK
    watched_over = is_held(lock)
    for event, fields in events(sys.stdin, sys.stdout):
        reason = gone(lock) if watched_over else given_up(event, fields)
        if reason:
            print(f"skylark: {reason}", file=sys.stderr, flush=True)
            stopping.stop_everything()
            return


def given_up(event: str, fields: dict[str, str]) -> str | None:
    if event != "PROCESS_STATE_FATAL" or may_be_lost(fields["processname"]):
        return None
    return f"{fields['processname']} cannot be kept running (its log says why): stopping everything"


def gone(lock: Path) -> str | None:
    return None if is_held(lock) else "`skylark up` is gone: stopping what it started"


def events(stdin: TextIO, stdout: TextIO) -> Iterator[tuple[str, dict[str, str]]]:
    """supervisord's events as (name, fields), until it closes the pipe. It sends the next one after each."""
    while True:
        childutils.listener.ready(stdout)
        header = childutils.get_headers(stdin.readline())  # listener.wait() does not bear the pipe's end
        if not header:
            return
        yield header["eventname"], childutils.get_headers(stdin.read(int(header["len"])))
        childutils.listener.ok(stdout)


if __name__ == "__main__":
    main()
