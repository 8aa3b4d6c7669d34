"""What a runner has to say, sent by a thread of its own so that the model never waits for the engine.

Chunks that were made while the last one was on its way go together: a model that is a thousand times
faster than real time would otherwise spend more on messages than on speech.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from servers.runner.wire import Message, Wire, encode

CHUNK_GAP_S = 0.005
"""Chunks of one run are at least this far apart; the first, and whatever is no chunk, goes at once."""
FULL_BYTES = 4_000_000
"""The model waits while this much audio is unsent."""

Words = list[dict[str, Any]]
Frame = tuple[bytes, Words, bytes]
"""An encoded message but for its words, the words of a chunk, and the payload."""
CHUNK = encode({"op": "chunk"})[:-1]


class Outbox:
    """One thread puts, in order; `clock` is monotonic, in seconds."""

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire, self._clock = wire, clock
        self._frames: list[Frame] = []
        self._bytes = 0
        self._changed = threading.Condition()
        self._gone = False
        self._chunk_sent_at = float("-inf")
        threading.Thread(target=self._send_all, name="outbox", daemon=True).start()

    def put(self, message: Message, payload: bytes = b"") -> None:
        """Raises BrokenPipeError when the engine is gone, TypeError for what JSON cannot hold."""
        words: Words = message.get("words", [])
        text = encode({name: value for name, value in message.items() if name != "words"})
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < FULL_BYTES or self._gone)
            if self._gone:
                raise BrokenPipeError("the engine is gone")
            news = not self._frames or not _is_chunk(text)
            self._frames.append((text, words, payload))
            self._bytes += len(payload)
            if news:  # one more chunk need not wake the sender, who waits for their turn
                self._changed.notify_all()

    def _send_all(self) -> None:
        try:
            while True:
                for text, words, payload in merged(self._take()):
                    self._wire.send_encoded(_with_words(text, words), payload)
        except OSError:
            with self._changed:
                self._gone = True
                self._changed.notify_all()

    def _take(self) -> list[Frame]:
        """Everything there is, once there is something and it may go."""
        with self._changed:
            while (wait_s := self._wait_s()) != 0:
                self._changed.wait(wait_s)
            frames, self._frames, self._bytes = self._frames, [], 0
            if _is_chunk(frames[-1][0]):
                self._chunk_sent_at = self._clock()
            self._changed.notify_all()
            return frames

    def _wait_s(self) -> float | None:
        if not self._frames:
            return None
        if not _is_chunk(self._frames[-1][0]):
            return 0
        return max(0.0, self._chunk_sent_at + CHUNK_GAP_S - self._clock())


def merged(frames: list[Frame]) -> list[Frame]:
    """Runs of chunks of one request made one frame, in the same order."""
    together: list[tuple[bytes, Words, list[bytes]]] = []
    for text, words, payload in frames:
        if together and _is_chunk(text) and together[-1][0] == text:
            together[-1][1].extend(words)
            together[-1][2].append(payload)
        else:
            together.append((text, list(words), [payload]))
    return [(text, words, b"".join(payloads)) for text, words, payloads in together]


def _with_words(text: bytes, words: Words) -> bytes:
    return (
        text[:-1] + b',"words":' + json.dumps(words, separators=(",", ":")).encode() + b"}" if words else text
    )


def _is_chunk(text: bytes) -> bool:
    return text.startswith(CHUNK)
