"""One reply of /v1/audio/speech, read as far as its client likes, which then leaves in one way or another."""

from __future__ import annotations

import base64
import json
import random
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException, HTTPResponse

from benchmarks.customer import Order
from servers.audio.streaming import StreamEncoder
from servers.jobs.results import BYTES_PER_SAMPLE
from servers.openai.speech import HEADER_BYTES
from servers.web.resume import LAST_EVENT_ID
from tests.acceptance.processes import HTTP_S
from tests.stand_ins.fake import SAMPLE_RATE, numbered
from tests.web.served import Client

MODEL = "fake/numbered-and-paced"
CHUNK_MS = 100
UNSAID = 3
"""Chunks of a text that does not say how many."""
READ_BYTES = 16_384
STALL_S = 0.3
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER's: closing is then a reset."""
AWAY = 503


class Lost(Exception):
    """The reply broke off, or there was none: the client may ask again."""


class Wrong(Exception):
    """What no client should ever be told."""


@dataclass(frozen=True)
class Text:
    """What is spoken says in each sample which number it is of, and where in it one is."""

    number: int
    chunks: int

    def __str__(self) -> str:
        return f"Number {self.number} in {self.chunks} chunks."

    @staticmethod
    def of(spoken: str) -> Text:
        """Of a job's; a text that says no number has 0."""
        number, chunks = ([int(each) for each in re.findall(r"\d+", spoken)] + [0, UNSAID])[:2]
        return Text(number, chunks)

    def order(self) -> Order:
        return Order(self.number, self.chunks, 0, MODEL, 10, False, chunk_ms=CHUNK_MS)

    def pcm(self, format: str) -> bytes:
        """All its samples, as a stream has them that nothing disturbs."""
        return _pcm(self.order().number, self.order().samples, format)


@lru_cache(maxsize=64)
def _pcm(number: int, samples: int, format: str) -> bytes:
    whole = numbered(number, 0, samples)
    encoder = StreamEncoder(format, SAMPLE_RATE)
    return (encoder.push(whole) + encoder.finish())[HEADER_BYTES.get(format, 0) :]


@dataclass(frozen=True)
class Asking:
    """One request for speech, which may be sent again where it has a key."""

    port: int
    text: Text
    format: str
    is_events: bool
    key: str | None

    def reply(self, start: int) -> Reply:
        """From that sample on. Raises Lost and Wrong."""
        return Reply(self._sent(start), self, start)

    def send_only(self) -> socket.socket:
        """The connection over which it was asked, and no reply was read."""
        return self._sent(0).sock

    def _sent(self, start: int) -> Client:
        body = {"input": str(self.text), "model": MODEL, "response_format": self.format}
        headers = ["Content-Type: application/json"]
        if self.is_events:
            body["stream_format"] = "sse"
        if self.key is not None:
            headers.append(f"Idempotency-Key: {self.key}")
        path = "/v1/audio/speech"
        if start and self.is_events:
            headers.append(f"{LAST_EVENT_ID}: {start}")
        elif start:
            path += f"?from={start}"
        return asked(self.port, path, json.dumps(body).encode(), headers)


def asked(port: int, path: str, body: bytes, headers: list[str]) -> Client:
    """Raises Lost."""
    try:
        client = Client(socket.create_connection(("127.0.0.1", port), HTTP_S))
        lines = [f"POST {path} HTTP/1.1", "Host: here", *headers, f"Content-Length: {len(body)}", "", ""]
        client.send("\r\n".join(lines).encode() + body)
    except ConnectionError as error:
        raise Lost(type(error).__name__) from None
    return client


class Reply:
    """`start` is the sample after the last one that came; `has_ended` once all were said to have come."""

    def __init__(self, client: Client, asking: Asking, start: int) -> None:
        self._client, self.start = client, start
        self._format, self._is_events = asking.format, asking.is_events
        self._header = HEADER_BYTES.get(asking.format, 0)
        self.has_ended = False
        with _losing():
            self._reply = client.answer("POST")
            if self._reply.status != 200:
                raise _refusal(self._reply)
        self.job_id = self._reply.headers["X-Job-Id"]

    def samples(self, most: float = float("inf")) -> Iterator[bytes]:
        """Whole samples, of so many bytes of the reply at most. Raises Lost and Wrong."""
        parts = self._of_events(most) if self._is_events else self._whole(most)
        for pcm in parts:
            self.start += len(pcm) // BYTES_PER_SAMPLE
            yield pcm

    def leave(self, dice: random.Random) -> None:
        leave(self._client.sock, dice)

    def _read(self, most: float) -> Iterator[bytes]:
        size = 0
        while size < most:
            with _losing():
                data = self._reply.read1(int(min(READ_BYTES, most - size)))
            if not data:
                self.has_ended = self.has_ended or not self._is_events
                return
            size += len(data)
            yield data

    def _whole(self, most: float) -> Iterator[bytes]:
        held = b""
        for data in self._read(most):
            data = held + data[self._cut(len(data)) :]
            whole = len(data) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
            held = data[whole:]
            yield data[:whole]

    def _cut(self, size: int) -> int:
        """How much of what came next is of a file's header."""
        cut = min(size, self._header)
        self._header -= cut
        return cut

    def _of_events(self, most: float) -> Iterator[bytes]:
        """Raises Wrong where an event says another position than that of its last sample."""
        held = b""
        for data in self._read(most):
            *events, held = (held + data).split(b"\n\n")
            for fields in map(_fields, events):
                told = json.loads(fields["data"])
                if told["type"] == "error":
                    raise _error(told["error"])
                if told["type"] == "speech.audio.done":
                    self.has_ended = True
                    continue
                audio = base64.b64decode(told["audio"])
                pcm = audio[self._cut(len(audio)) :]
                if int(fields["id"]) != self.start + len(pcm) // BYTES_PER_SAMPLE:
                    raise Wrong(f"event {fields['id']} has {len(pcm)} bytes from {self.start} on")
                yield pcm


def leave(sock: socket.socket, dice: random.Random) -> None:
    """Closes it, or resets it, or reads no more for a while before that, and maybe says so."""
    with closing(sock):
        how = dice.choice(("close", "reset", "stall", "say so and stall"))
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if how == "say so and stall":
            with suppress(OSError):  # the server was quicker
                sock.shutdown(socket.SHUT_WR)
        if "stall" in how:
            time.sleep(dice.uniform(0, STALL_S))


@contextmanager
def _losing() -> Iterator[None]:
    """What a connection that ends early raises is Lost."""
    try:
        yield
    except TimeoutError as error:
        raise Wrong("it was silent for too long") from error
    except (ConnectionError, HTTPException) as error:
        raise Lost(type(error).__name__) from error


def _refusal(reply: HTTPResponse) -> Exception:
    return _error(json.loads(reply.read())["error"], reply.status)


def _error(error: dict, status: int = AWAY) -> Exception:
    line = f"{status} {error['code']}: {error['message']}"
    return Lost(error["code"]) if status == AWAY and error["code"] == "engine_unavailable" else Wrong(line)


def _fields(event: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in event.decode().splitlines())
