"""What POST /jobs/stream tells of its jobs, one event a line of JSON: the same module reads and writes them.

`Accepted` comes first and at once. The events of the jobs follow in the order of the jobs: the audio of one
or the segments of one as they are made, then that it has ended, then the next one's. `Waiting` comes where
nothing else is to be told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pybase64
from pydantic import Field

from servers.errors import SkylarkError
from servers.speech import Noun, Segment, Word

WAITING_EVERY_S = 1.0
"""No longer silence than about this: a reader that hears nothing for a few seconds has lost the engine."""
BYTES_PER_SAMPLE = 2
Count = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Accepted:
    """The jobs are in the queue, or were there already under the same keys: their ids, in order."""

    job_ids: tuple[str, ...]


@dataclass(frozen=True)
class AudioChunk:
    """A run of a job's audio as it was made: little-endian int16 mono PCM from sample `start` on.

    `attempt` changes when the job is begun again: `start` is 0 then, and what came before is void. `words`
    are those that became known, each given once.
    """

    index: int
    attempt: int
    start: int
    sample_rate: int
    pcm: bytes
    words: tuple[Word, ...] = ()

    @property
    def end(self) -> int:
        """The sample after its last one."""
        return self.start + len(self.pcm) // BYTES_PER_SAMPLE


@dataclass(frozen=True)
class Heard:
    """Segments of a job's transcript, from the one with number `start` on: what was heard by now.

    `attempt` is as an AudioChunk's. The last ones may be told with the job's result alone.
    """

    index: int
    attempt: int
    start: int
    segments: tuple[Segment, ...]

    @property
    def end(self) -> int:
        """The number after its last one's."""
        return self.start + len(self.segments)


@dataclass(frozen=True)
class Ended:
    """A job has ended, and all of its audio was told: the job as GET /jobs/<id> gives it.

    `attempt` is what its audio is told under.
    """

    index: int
    job: dict[str, Any]
    attempt: int = 1


@dataclass(frozen=True)
class Waiting:
    """Nothing new, but perhaps how far the job is whose turn it is: a fraction, where its model tells one."""

    progress: float | None = None


@dataclass(frozen=True)
class Broken:
    """The engine is stopping and tells no more: the same request goes on where this one ended."""

    error: SkylarkError


Told = AudioChunk | Heard | Ended | Waiting
"""What is told of jobs that were accepted."""
Event = Accepted | Told | Broken


class Position(Noun):
    """How much of what a job makes somebody has: so many samples, or segments, of that attempt."""

    attempt: Count
    samples: Count = 0
    segments: Count = 0


def to_line(event: Event) -> bytes:
    """The event as one line of JSON, its newline included."""
    return json.dumps(_wire(event), separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Event:
    """The event of a line. Raises ValueError or KeyError for what `to_line` never wrote."""
    wire = json.loads(line)
    match wire["event"]:
        case "accepted":
            return Accepted(tuple(wire["job_ids"]))
        case "audio":
            return _audio(wire)
        case "segments":
            segments = tuple(Segment.model_validate(segment) for segment in wire["segments"])
            return Heard(wire["index"], wire["attempt"], wire["from"], segments)
        case "ended":
            return Ended(wire["index"], wire["job"], wire["attempt"])
        case "waiting":
            return Waiting(wire.get("progress"))
        case "broken":
            return Broken(SkylarkError.from_dict(wire["error"]))
    raise ValueError(f"an unknown event: {wire['event']!r}")


def _wire(event: Event) -> dict[str, Any]:
    match event:
        case Accepted():
            return {"event": "accepted", "job_ids": event.job_ids}
        case AudioChunk():
            return {
                "event": "audio",
                "index": event.index,
                "attempt": event.attempt,
                "from": event.start,
                "sample_rate": event.sample_rate,
                "audio": pybase64.b64encode_as_string(event.pcm),
                "words": [word.model_dump() for word in event.words],
            }
        case Heard():
            return {
                "event": "segments",
                "index": event.index,
                "attempt": event.attempt,
                "from": event.start,
                "segments": [segment.model_dump() for segment in event.segments],
            }
        case Ended():
            return {"event": "ended", "index": event.index, "attempt": event.attempt, "job": event.job}
        case Waiting(None):
            return {"event": "waiting"}
        case Waiting(progress):
            return {"event": "waiting", "progress": progress}
        case Broken():
            return {"event": "broken", "error": event.error.to_dict()}


def _audio(wire: Mapping[str, Any]) -> AudioChunk:
    return AudioChunk(
        index=wire["index"],
        attempt=wire["attempt"],
        start=wire["from"],
        sample_rate=wire["sample_rate"],
        pcm=pybase64.b64decode(wire["audio"]),
        words=tuple(Word.model_validate(word) for word in wire["words"]),
    )
