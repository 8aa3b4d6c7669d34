from __future__ import annotations

import pytest

from servers.web.bounds import IDLE_S
from servers.web.phases import LINGER_S, QUIET_S, Due, Phase, due, due_at_the_end

LONG_S = 1_000_000.0


@pytest.mark.parametrize(
    ("phase", "lasted_s", "silent_s", "is_slow", "expected"),
    [
        (Phase.IDLE, IDLE_S, IDLE_S, False, None),
        (Phase.IDLE, IDLE_S + 1, IDLE_S + 1, False, Due.CLOSE),
        (Phase.RECEIVING, LONG_S, LONG_S, False, None),
        (Phase.RECEIVING, 0, 0, True, Due.TIME_OUT),
        (Phase.WORKING, LONG_S, LONG_S, False, None),
        (Phase.FLUSHING, LONG_S, LONG_S, False, None),
        (Phase.TALKING, LONG_S, LONG_S, False, None),
        (Phase.LINGERING, LINGER_S, QUIET_S, False, None),
        (Phase.LINGERING, QUIET_S + 1, QUIET_S + 1, False, Due.CLOSE),
        (Phase.LINGERING, LINGER_S + 1, 0, False, Due.CLOSE),
    ],
)
def test_only_what_waits_for_its_client_has_an_end(
    phase: Phase, lasted_s: float, silent_s: float, is_slow: bool, expected: Due | None
) -> None:
    found = due(phase, lasted_s=lasted_s, silent_s=silent_s, is_slow=is_slow, idle_s=IDLE_S)
    assert found is expected


@pytest.mark.parametrize(
    ("phase", "soon", "later", "at_last"),
    [
        (Phase.IDLE, None, Due.CLOSE, Due.CLOSE),
        (Phase.RECEIVING, None, None, Due.TURN_AWAY),
        (Phase.LINGERING, None, None, Due.CLOSE),
        (Phase.WORKING, None, None, None),
        (Phase.FLUSHING, None, None, None),
        (Phase.TALKING, Due.GO_AWAY, Due.GO_AWAY, Due.RESET),
    ],
)
def test_a_server_that_stops_waits_for_requests_in_hand_alone(
    phase: Phase, soon: Due | None, later: Due | None, at_last: Due | None
) -> None:
    assert [due_at_the_end(phase, stopping_s) for stopping_s in (0.5, 4.0, 11.0)] == [soon, later, at_last]
