"""How many connections a listener holds, as the limit on open files allows it, and for how long idle ones."""

from __future__ import annotations

import resource
from dataclasses import dataclass

MOST_DESCRIPTORS = 65_536
"""As many as are asked for at the start, where the hard limit allows that."""
FEWER_DESCRIPTORS = 10_240
MOST_CONNECTIONS, MOST_WEBSOCKETS = 4_000, 200
IDLE_S = 75.0
"""Above the 60 s after which a load balancer of AWS by default gives up an idle connection."""
RETRY_AFTER_S = 5.0
"""What is said to whom there was no place for."""


@dataclass(frozen=True)
class Bounds:
    connections: int
    """Idle ones included. One more takes the place of the one that has longest had no request in hand."""
    per_address: int
    """The same for the connections from one address, which a proxy's users share."""
    websockets: int = MOST_WEBSOCKETS
    """They are not counted among the connections. One more is refused."""
    idle_s: float = IDLE_S
    """How long one is kept that has no request in hand."""

    @staticmethod
    def of_process(
        per_address: int, listeners: int, websockets: int = MOST_WEBSOCKETS, idle_s: float = IDLE_S
    ) -> Bounds:
        """Half of the descriptors that this process may have, in equal parts: a request may need two."""
        connections = min(MOST_CONNECTIONS, _descriptors() // 2 // listeners)
        return Bounds(connections, min(per_address, connections), websockets, idle_s)


def _descriptors() -> int:
    """The limit on open files, raised as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_DESCRIPTORS
    for wanted in (MOST_DESCRIPTORS, FEWER_DESCRIPTORS):  # macOS has a limit beside the hard one
        limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        if limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (ValueError, OSError):
            continue
        return limit
    return soft
