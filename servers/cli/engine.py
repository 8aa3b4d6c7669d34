"""The engine of this machine, asked over its Unix socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from servers.cli import here
from servers.cli.failures import Unreachable, WrongUsage
from servers.errors import EngineUnavailable

if TYPE_CHECKING:
    from servers.jobs.client import JobsClient

SAY_WHERE = ("SKYLARK_ENGINE__SOCKET", "SKYLARK_DATA_DIR", "SKYLARK_CONFIG")
"""The variables that decide where the settings have the socket."""


@contextmanager
def asked(socket: Path | None) -> Iterator[JobsClient]:
    """A client of the engine at `socket`, or where `place` finds it.

    One that does not answer raises Unreachable, which names where it was looked for.
    """
    from servers.jobs.client import JobsClient

    path = place(socket)
    client = JobsClient(path)
    try:
        yield client
    except EngineUnavailable as error:
        raise Unreachable(f"{path}: {error.message}{here.hint('--socket')}") from None
    finally:
        client.close()


def place(socket: Path | None) -> Path:
    """Whichever is first: 1. `socket`; 2. the settings, where the environment says something of it;
    3. the `skylark up` that runs from this checkout; 4. the settings.
    """
    if socket is not None:
        return absolute(socket)
    if not any(os.environ.get(name) for name in SAY_WHERE) and (appliance := here.running_here()):
        return Path(appliance.socket)
    from servers.settings import settings

    return settings().engine_socket


def absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def job_id(text: str) -> str:
    """Raises WrongUsage for what can be no job's id."""
    from uuid import UUID

    try:
        return str(UUID(text))
    except ValueError:
        raise WrongUsage(
            f"{text!r} is not the id of a job: `skylark jobs` lists them, `skylark srv submit` prints it"
        ) from None
