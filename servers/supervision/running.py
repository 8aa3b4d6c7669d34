"""Which appliances of this user run, and where: each `skylark up` says so in a file for as long as it lives.

The files are in the user's own folder for the state of programs, so that the command line finds them from
any folder. Each names the checkout that it was started from: a command asks those of its own alone, so that
two checkouts never answer for each other. The file of one that was killed is ignored, and is removed when
the next one starts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from servers.atomic import write_atomically
from servers.supervision.lock import LOCK, is_held

PREFIX = "up-"


@dataclass(frozen=True)
class Running:
    """One appliance, as whoever starts it knows it."""

    pid: int
    checkout: str
    data_dir: str
    socket: str
    """The engine's."""
    urls: dict[str, str]
    """Of each door, by its key in server_config.json."""
    page: str | None = None
    """The URL of the page, where a proxy serves it."""
    rpc: str | None = None
    """Host and port of what speaks gRPC, where that runs."""

    @property
    def is_alive(self) -> bool:
        """The lock tells it from another process that has got its number since."""
        return _exists(self.pid) and is_held(Path(self.data_dir) / LOCK)


def folder() -> Path:
    """As the platform has it; these are its variables, and no settings of ours."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "skylark"
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path.home() / ".local" / "state") / "skylark"


@contextmanager
def announced(appliance: Running) -> Iterator[None]:
    """It is among `running()` meanwhile. Raises OSError where that cannot be written."""
    folder().mkdir(parents=True, exist_ok=True)
    _clear_up()
    file = _file(appliance.pid)
    write_atomically(file, json.dumps(asdict(appliance), indent=2).encode(), mode=0o600)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def running() -> list[Running]:
    """All that are alive, of whatever checkout, in the order of their first URLs."""
    found = [appliance for file in _files() if (appliance := _read(file)) and appliance.is_alive]
    return sorted(found, key=lambda appliance: list(appliance.urls.values()))


def _file(pid: int) -> Path:
    return folder() / f"{PREFIX}{pid}.json"


def _files() -> list[Path]:
    return list(folder().glob(f"{PREFIX}*.json"))


def _read(file: Path) -> Running | None:
    """None for one that ended in this moment, and for what another version wrote."""
    try:
        return Running(**json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _clear_up() -> None:
    """One that cannot be read may be another version's, which lives."""
    for file in _files():
        appliance = _read(file)
        if not (appliance.is_alive if appliance else _exists(_pid(file))):
            file.unlink(missing_ok=True)


def _pid(file: Path) -> int:
    """0 where the name is none that was given here."""
    number = file.stem.removeprefix(PREFIX)
    return int(number) if number.isdecimal() else 0


def _exists(pid: int) -> bool:
    if pid <= 0:  # a group of processes, or all
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
