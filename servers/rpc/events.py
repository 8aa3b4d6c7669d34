"""What becomes of a session, for whoever watches it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from servers.errors import TooManyStreams

MOST_WATCHERS = 8
MOST_EVENTS = 1_000
"""That wait for one that watches."""
RETRY_AFTER_S = 5.0


class State(StrEnum):
    IDLE = "idle"
    SPEAKING = "speaking"
    PAUSED = "paused"
    ENDED = "ended"


class Kind(StrEnum):
    """Of an event."""

    STATE = "state"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UTTERANCE_STARTED = "utterance_started"
    UTTERANCE_ENDED = "utterance_ended"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    kind: Kind
    state: State
    next_frame: int
    utterance: int = 0
    message: str = ""


Waiting = deque[Event]


class Watchers:
    """Of one session; for one thread at a time. Who is too slow misses the oldest events."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self) -> Waiting:
        """Raises TooManyStreams."""
        if len(self._waiting) >= MOST_WATCHERS:
            message = f"{MOST_WATCHERS} calls watch the session already, which is the most"
            raise TooManyStreams(message, param="session_id", retry_after_s=RETRY_AFTER_S)
        waiting: Waiting = deque(maxlen=MOST_EVENTS)
        self._waiting[id(waiting)] = waiting
        return waiting

    def remove(self, waiting: Waiting) -> None:
        self._waiting.pop(id(waiting), None)

    def tell(self, event: Event) -> None:
        for waiting in self._waiting.values():
            waiting.append(event)
