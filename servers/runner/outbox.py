"""What a runner has to say, sent by a thread of its own so that the model never waits for the engine.

What was made while the last was on its way goes together: a model that is a thousand times faster than real
time, or that speaks for many requests at once, would otherwise spend more on messages than on speech.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servers.runner.wire import Message, Wire, encode

CHUNK_GAP_S = 0.005
"""Chunks go at least this far apart; the first one, and whatever is neither chunk nor progress, at once."""
PROGRESS_GAP_S = 0.1
"""How long a fraction may wait for something to go with, and for newer ones to take its place."""
FULL_BYTES = 4_000_000
"""The model waits while this much audio is unsent."""


@dataclass(frozen=True)
class PcmChunk:
    """Audio of one request of a run: int16 little-endian mono PCM, and the words that are known with it.

    They are as JSON has them: what cannot be sent is to be found out where it was made.
    """

    run: int
    index: int
    sample_rate: int
    pcm: bytes
    words: Sequence[Message] = ()


@dataclass(frozen=True)
class Fraction:
    """How far one request of a run has come: 0 to 1, and what its model says of it besides."""

    run: int
    index: int
    fraction: float
    details: Mapping[str, Any] | None = None


Said = bytes | PcmChunk | Fraction
"""An encoded message, or what others of its kind may go together with."""
Frame = tuple[bytes, bytes]
"""An encoded message and its payload."""


class Outbox:
    """One thread puts, in order; `clock` is monotonic, in seconds.

    What is put raises BrokenPipeError when the engine is gone.
    """

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire, self._clock = wire, clock
        self._said: list[Said] = []
        self._bytes = 0
        self._due = float("inf")
        """When what there is has to go."""
        self._changed = threading.Condition()
        self._gone = False
        self._chunks_sent_at = self._fractions_sent_at = float("-inf")
        threading.Thread(target=self._send_all, name="outbox", daemon=True).start()

    def put(self, message: Message) -> None:
        """Raises TypeError for what JSON cannot hold."""
        self._put(encode(message), float("-inf"))

    def put_chunk(self, chunk: PcmChunk) -> None:
        self._put(chunk, self._chunks_sent_at + CHUNK_GAP_S, len(chunk.pcm))

    def put_fraction(self, fraction: Fraction) -> None:
        self._put(fraction, self._fractions_sent_at + PROGRESS_GAP_S)

    def _put(self, said: Said, due: float, size: int = 0) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < FULL_BYTES or self._gone)
            if self._gone:
                raise BrokenPipeError("the engine is gone")
            self._said.append(said)
            self._bytes += size
            if due < self._due:  # else the sender, who waits for what came before, takes this along
                self._due = due
                self._changed.notify_all()

    def _send_all(self) -> None:
        """However it ends, the model is told, and so is the engine."""
        try:
            while True:
                for message, payload in frames(self._take()):
                    self._wire.send_encoded(message, payload)
        except OSError:
            pass  # the engine is gone
        finally:
            with self._changed:
                self._gone = True
                self._changed.notify_all()
            self._wire.shut_down()

    def _take(self) -> list[Said]:
        """Everything there is, once some of it is due."""
        with self._changed:
            while (now := self._clock()) < self._due:
                self._changed.wait(self._due - now if self._said else None)
            said, self._said, self._bytes, self._due = self._said, [], 0, float("inf")
            self._fractions_sent_at = now
            if any(isinstance(each, PcmChunk) for each in said):
                self._chunks_sent_at = now
            self._changed.notify_all()
            return said


@dataclass
class _Together:
    """Chunks and fractions between two messages: whatever is said of one request keeps its order."""

    chunks: dict[tuple[int, int, int], list[PcmChunk]] = field(default_factory=dict)
    fractions: dict[tuple[int, int], Fraction] = field(default_factory=dict)

    def add(self, said: PcmChunk | Fraction) -> None:
        if isinstance(said, Fraction):
            self.fractions[said.run, said.index] = said
        else:
            self.chunks.setdefault((said.run, said.index, said.sample_rate), []).append(said)

    def frames(self) -> Iterator[Frame]:
        for (run, index, sample_rate), chunks in self.chunks.items():
            message: Message = {"op": "chunk", "run": run, "index": index, "sample_rate": sample_rate}
            if words := [word for chunk in chunks for word in chunk.words]:
                message["words"] = words
            yield encode(message), b"".join(chunk.pcm for chunk in chunks)
        for (run, index), last in self.fractions.items():
            message = {"op": "progress", "run": run, "index": index, "fraction": last.fraction}
            yield encode(message if last.details is None else message | {"details": last.details}), b""


def frames(said: Sequence[Said]) -> Iterator[Frame]:
    """All that was said, in as few frames as its order allows: of the fractions of a request the last one."""
    together = _Together()
    for each in said:
        if isinstance(each, bytes):
            yield from together.frames()
            together = _Together()
            yield each, b""
        else:
            together.add(each)
    yield from together.frames()
