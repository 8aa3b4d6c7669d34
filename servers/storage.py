"""What an operating system says of Skylark's own files, as the error that a client sees."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from servers.errors import StorageFailed

ADVICE = {
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "the disk's quota is used up; make room on it",
    errno.ENOENT: "a folder is missing; make it again, or start the servers anew",
    errno.ENOTDIR: "a folder is missing; make it again, or start the servers anew",
    errno.EACCES: "its folder may not be written; give the servers' user the right to",
    errno.EROFS: "the disk can only be read; mount it so that it can be written",
}


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Raises StorageFailed, saying what could not be stored and how to mend it, for an OSError of the block.

    One of a connection stays what it is.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        reason = ADVICE.get(error.errno or 0) or error.strerror or "the system does not say why"
        raise StorageFailed(f"{what} could not be stored: {reason}") from error
