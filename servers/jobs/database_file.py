"""SQLite's file: whether its path still leads to the one that was opened."""

from __future__ import annotations

import os
from pathlib import Path

from servers.errors import StorageFailed
from servers.settings import SettingsError


class DatabaseFile:
    """A connection that is open stays with its file wherever that is moved, and a new one makes a new file.

    So jobs would be accepted into a file that nobody finds again. `lock` is the file beside it that an engine
    holds: it is there from the first engine on.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        """Raises SettingsError where there was a queue that is gone: none is begun in its place."""
        self._path = path
        self._identity: tuple[int, int] | None = None
        if lock.exists() and not path.exists():
            raise SettingsError(
                f"database_url: {path} is gone, and a queue was kept there: put it back, with its -wal file; "
                f"or remove {lock} to begin a new queue"
            )

    def opened(self) -> None:
        """To be called for each connection once it is open."""
        if self._identity is None:
            self._identity = self._seen()
        self.check()

    def check(self) -> None:
        """Raises StorageFailed, saying what to do, where the path leads to another file or to none."""
        seen = self._seen()
        if self._identity is None or seen == self._identity:
            return
        name = self._path.name
        if seen is None:
            raise StorageFailed(
                f"the queue's file {name} was moved or removed: put it back, with {name}-wal; until then no "
                "job is taken"
            )
        raise StorageFailed(
            f"another file is in the place of the queue's {name}: put the first one back, with {name}-wal, "
            "or start the engine anew to use this one; until then no job is taken"
        )

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageFailed(f"the queue's file cannot be looked at: {error.strerror}") from error
        return found.st_dev, found.st_ino
