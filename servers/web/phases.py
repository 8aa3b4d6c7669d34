"""The phases of a connection, and how long each may last: pure, who asks says how long it has."""

from __future__ import annotations

from enum import Enum

LINGER_S, QUIET_S = 30.0, 2.0
"""How long a client that sends on is listened to after its last reply, and for how long while it is silent:
to close at once would lose the reply."""
IDLE_AT_THE_END_S, RECEIVING_AT_THE_END_S, TALKING_AT_THE_END_S = 1.0, 5.0, 10.0


class Phase(Enum):
    IDLE = "idle"
    RECEIVING = "receiving"
    WORKING = "working"
    FLUSHING = "flushing"
    TALKING = "talking"
    LINGERING = "lingering"


class Due(Enum):
    """What is to be done about a connection that has been in its phase for too long."""

    CLOSE = "close"
    TIME_OUT = "time out"
    """Its client is told that the request did not come in time."""
    TURN_AWAY = "turn away"
    """Its client is told that the server stops."""
    GO_AWAY = "go away"
    """The WebSocket is told to end."""
    RESET = "reset"


def due(phase: Phase, *, lasted_s: float, silent_s: float, is_slow: bool, idle_s: float) -> Due | None:
    """`is_slow`: the request that is received comes too slowly. `idle_s`: so long may one be idle."""
    match phase:
        case Phase.IDLE if lasted_s > idle_s:
            return Due.CLOSE
        case Phase.RECEIVING if is_slow:
            return Due.TIME_OUT
        case Phase.LINGERING if silent_s > QUIET_S or lasted_s > LINGER_S:
            return Due.CLOSE
    return None


def due_at_the_end(phase: Phase, stopping_s: float) -> Due | None:
    """The same while the listener stops, which it has done for so long: an idle connection may be about to
    be used, and a request about to be whole; a WebSocket would go on for ever.
    """
    match phase:
        case Phase.IDLE if stopping_s > IDLE_AT_THE_END_S:
            return Due.CLOSE
        case Phase.RECEIVING if stopping_s > RECEIVING_AT_THE_END_S:
            return Due.TURN_AWAY
        case Phase.LINGERING if stopping_s > RECEIVING_AT_THE_END_S:
            return Due.CLOSE
        case Phase.TALKING:
            return Due.RESET if stopping_s > TALKING_AT_THE_END_S else Due.GO_AWAY
    return None
