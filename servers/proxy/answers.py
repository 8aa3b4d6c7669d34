"""What the upstreams answer of themselves, as far as the page shows it; and why one gave no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

RECENT = 10
"""Of the jobs that ended, as many are shown."""


class Fault(StrEnum):
    """Why there is no answer."""

    SILENT = "silent"
    """Nobody is there, or nobody answered in time."""
    REFUSED = "refused"
    """It does not take the key."""
    GARBLED = "garbled"
    """What answers is not what was asked for."""
    OFF = "off"
    """Something answers in its place, and says that the machine is off."""


class Told(BaseModel):
    """A part of an answer; what else is in there is nobody's here."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Limits(Told):
    """Of what one request may have; None is not known."""

    max_body_mb: float | None = None
    max_text_chars: int | None = None
    max_audio_s: float | None = None


class Health(Told):
    """A door's GET /health."""

    status: str
    model: str
    backend: str
    voice: str | None = None
    model_loaded: bool = False
    queue_depth: int | None = None
    limits: Limits | None = None

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def shown(self) -> dict[str, Any]:
        return {"ok": self.ok, "backend": self.backend, "model": self.model, "voice": self.voice}


class Payload(Told):
    task: str | None = None


class Job(Told):
    """One of the engine's queue, without what is said in it."""

    id: str
    model_type: str
    model: str
    status: str
    priority: int
    application_id: str
    progress: float | None = None
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    payload: Payload = Payload()

    def shown(self, application_id: str) -> dict[str, Any]:
        """For who sends its jobs under that id."""
        times = {name: getattr(self, name) for name in ("created_at", "started_at", "finished_at")}
        return {
            "id": self.id,
            "task": self.payload.task,
            "model": f"{self.model_type}/{self.model}",
            "status": self.status,
            "priority": self.priority,
            "progress": self.progress,
            **times,
            "own": self.application_id == application_id,
        }


class Waiting(Told):
    """How many jobs are queued for a model."""

    count: int


class Jobs(Told):
    """The engine's GET /queue: all that the proxy's key may see."""

    running: tuple[Job, ...]
    queued: tuple[Job, ...]
    recent: tuple[Job, ...]
    waiting: tuple[Waiting, ...]

    model_config = ConfigDict(strict=False)  # JSON's arrays are no tuples


class Model(Told):
    model_type: str
    name: str
    state: str  # unloaded, loading, ready or failed
    vram_mb: float
    pinned: bool

    def shown(self) -> dict[str, Any]:
        kept = {"state": self.state, "vram_mb": self.vram_mb, "pinned": self.pinned}
        return {"name": f"{self.model_type}/{self.name}", **kept}


class Models(Told):
    """The engine's GET /models."""

    models: tuple[Model, ...]

    model_config = ConfigDict(strict=False)


class Speaker(BaseModel):
    """A voice, or a model, of a door's GET /v1/voices: what a page chooses by, and whatever else it has."""

    model_config = ConfigDict(extra="allow", strict=True)

    languages: list[str]


class NamedVoice(Speaker):
    name: str


class SpeakingModel(Speaker):
    model: str


class Voices(BaseModel):
    """A door's GET /v1/voices."""

    voices: list[NamedVoice]
    models: list[SpeakingModel]


@dataclass(frozen=True)
class Queue:
    """What the engine has in hand, and its models."""

    jobs: Jobs
    models: Models

    @property
    def running(self) -> int:
        return len(self.jobs.running)

    @property
    def waiting(self) -> int:
        return sum(each.count for each in self.jobs.waiting)

    @property
    def is_loading(self) -> bool:
        return any(model.state == "loading" for model in self.models.models)

    @property
    def _shown_jobs(self) -> tuple[Job, ...]:
        return (*self.jobs.running, *self.jobs.queued, *self.jobs.recent[:RECENT])

    def is_of(self, application_id: str) -> bool:
        """Whether a job is among them that was sent under that id."""
        return any(job.application_id == application_id for job in self._shown_jobs)

    def shown(self, application_id: str) -> dict[str, Any]:
        """As GET /api/queue has it, for who sends its jobs under that id."""
        return {
            "jobs": [job.shown(application_id) for job in self._shown_jobs],
            "waiting": self.waiting,
            "models": [model.shown() for model in self.models.models],
        }


@dataclass(frozen=True)
class Answers:
    """What a look at the upstreams found."""

    tts: Health | Fault
    whisperx: Health | Fault
    machine: Mapping[str, Any] | Fault | None = None
    """None where nothing starts or stops a machine."""
    queue: Queue | Fault | None = None
    """None where the engine's API is not at hand."""
    key: Fault | None = field(default=None)
    """What became of a question that needs the key."""

    @property
    def doors(self) -> list[Health | Fault]:
        return [self.tts, self.whisperx]

    @property
    def limits(self) -> Limits | None:
        """Of texts by the door that speaks, of recordings by the one that listens; where one of them says
        none, by the other. None where neither does.
        """
        speaks, listens = (door.limits if isinstance(door, Health) else None for door in self.doors)
        if speaks is None or listens is None:
            return speaks or listens
        return listens.model_copy(update={"max_text_chars": speaks.max_text_chars})

    @property
    def is_refused(self) -> bool:
        return Fault.REFUSED in (self.key, self.machine, self.queue, *self.doors)
