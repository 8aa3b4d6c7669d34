"""What a session was started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.jobs.requests import QueueOptions
from servers.rpc.levelling import Loudness, Method


@dataclass(frozen=True)
class Terms:
    """How a session speaks, and for whom. `key` names its jobs, and nobody else's."""

    session_id: str
    key: str
    owner: str | None
    model: str
    voice: str | None
    language: str | None
    speed: float | None
    loudness: Loudness
    voice_lufs: float | None
    application_id: str | None
    priority: int | None

    def payload(self, text: str) -> dict[str, Any]:
        fields = {"voice": self.voice, "language": self.language, "speed": self.speed}
        given = {name: value for name, value in fields.items() if value is not None}
        return {"task": "synthesize", "text": text} | given

    def options(self) -> QueueOptions:
        return QueueOptions(model=self.model, application_id=self.application_id, priority=self.priority)

    @classmethod
    def recorded(cls, wire: dict[str, Any]) -> Terms:
        """Of `asdict`, through JSON. Raises KeyError, TypeError, ValueError, and InvalidRequest."""
        loudness = wire["loudness"]
        own = Loudness(Method(loudness["method"]), loudness["target"])
        return cls(**{**wire, "loudness": own})
