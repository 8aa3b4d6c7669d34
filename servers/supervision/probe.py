"""`python -m servers.supervision.probe`: whether every door is ready, for the image's HEALTHCHECK."""

from __future__ import annotations

import sys
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from servers.settings import Settings, settings
from servers.supervision.processes import DOORS, Process

WITHIN_S = 4.0


def why_not(door: Process, loaded: Settings) -> str | None:
    """What it says of itself where it is not ready."""
    try:
        with build_opener(ProxyHandler({})).open(f"{door.url(loaded)}{door.ready_path}", timeout=WITHIN_S):
            return None
    except HTTPError as error:
        with error:
            return error.read(500).decode(errors="replace")
    except OSError as error:
        return str(error)


def main() -> int:
    faults = {door.name: why_not(door, settings()) for door in DOORS if door.ready_path}
    for name, fault in faults.items():
        print(f"{name}: {fault or 'ready'}")
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
