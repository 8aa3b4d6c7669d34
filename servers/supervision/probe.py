"""`python -m servers.supervision.probe`: whether every door is ready, for the image's HEALTHCHECK.

With `proxy` it is whether the page is, for a container that serves that alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from servers.settings import Settings, settings
from servers.supervision.processes import DOORS, PROXY, Process

WITHIN_S = 4.0


def why_not(process: Process, loaded: Settings) -> str | None:
    """What it says of itself where it is not ready."""
    try:
        with build_opener(ProxyHandler({})).open(
            f"{process.url(loaded)}{process.ready_path}", timeout=WITHIN_S
        ):
            return None
    except HTTPError as error:
        with error:
            return error.read(500).decode(errors="replace")
    except OSError as error:
        return str(error)


def main(arguments: Sequence[str]) -> int:
    asked = [PROXY] if list(arguments) == [PROXY.name] else DOORS
    faults = {each.name: why_not(each, settings()) for each in asked if each.ready_path}
    for name, fault in faults.items():
        print(f"{name}: {fault or 'ready'}")
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
