"""What engine and runner say to each other over a socket pair: a JSON message, and bytes where it has audio.

engine → runner
    {"op": "load", "model": ModelSpec, "device": str, "backends_path": [str],
     "warmup_text": str | null}                                                    once, first
    {"op": "run", "run": int, "task": str, "payloads": [payload …]}                one run at a time
    {"op": "join", "run": int, "payloads": [payload …]}                            more requests for it
    {"op": "cancel", "run": int, "index": int | null}                              all of it, or one request
    {"op": "pause" | "resume" | "save", "run": int}                                at the run's next step
runner → engine
    {"op": "ready", "about": About} | {"op": "failed", "error": SkylarkError}      the answer to load
    {"op": "beat"}                                                                 every second
    {"op": "chunk", "run", "index", "sample_rate", "words"?} + int16 little-endian mono PCM
    {"op": "progress", "run", "index", "fraction", "details"?}
    {"op": "segment", "run", "index", "segment": {…}}            of a transcript, as it was heard
    {"op": "result", "run", "index", "result": {…}} | {"op": "error", "run", "index", "error": {…}}
    {"op": "saved", "run", "index"}                  instead of a result: it goes on from there another time
    {"op": "paused", "run"}                                                        it waits at a step
    {"op": "broken", "run", "error": {…}, "taken"}   the model raised: no more is heard of the open requests
    {"op": "end", "run", "taken"}                    the run is over
`taken` says how many of a run's requests were taken up: those that joined too late were not.
The end of the stream ends the runner; that is how it is told to go, and how it follows a dead engine.
A frame is two big-endian uint32 (bytes of the message, bytes of the payload), the message, the payload.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Any

HEADER = struct.Struct(">II")
BEAT_S = 1.0
Message = dict[str, Any]


class Asked(StrEnum):
    """What a preemptible run is told, by the name of the message."""

    GO_ON = "resume"
    PAUSE = "pause"
    """Wait at the next step."""
    SAVE = "save"
    """Save itself there, and end."""


class Wire:
    """One end of the socket pair. Any thread may send; one thread receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._file = sock.makefile("rb")

    def send(self, message: Message, payload: bytes | memoryview = b"") -> None:
        """Raises OSError when the other end is gone."""
        self.send_encoded(encode(message), payload)

    def send_encoded(self, text: bytes, payload: bytes | memoryview = b"") -> None:
        """`send` for a message that `encode` has made. Raises OSError when the other end is gone."""
        with self._sending:
            self._sock.sendall(HEADER.pack(len(text), len(payload)) + text)
            if payload:
                self._sock.sendall(payload)

    def receive(self) -> tuple[Message, bytes] | None:
        """The next message with its payload; None when the other end is gone."""
        try:
            header = self._file.read(HEADER.size)
            if len(header) < HEADER.size:
                return None
            text_size, payload_size = HEADER.unpack(header)
            text, payload = self._file.read(text_size), self._file.read(payload_size)
        except OSError:
            return None
        if len(text) < text_size or len(payload) < payload_size:
            return None
        return json.loads(text), payload

    def close(self) -> None:
        """Ends the stream for both ends, also while another thread receives."""
        self.shut_down()
        self._file.close()
        self._sock.close()

    def shut_down(self) -> None:
        """`receive` returns None from now on, at both ends."""
        with suppress(OSError):  # the other end may have closed first
            self._sock.shutdown(socket.SHUT_RDWR)


def encode(message: Message) -> bytes:
    """Raises TypeError for what JSON cannot hold."""
    return json.dumps(message, separators=(",", ":")).encode()
