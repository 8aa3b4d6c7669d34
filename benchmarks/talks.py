"""Clients of the WebSockets: text in tiny pieces, and some that are gone before its end."""

from __future__ import annotations

import base64
import json
import random
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from benchmarks.heard import Heard, several
from benchmarks.kill import END_S
from benchmarks.listeners import LONG_CHUNKS, PAUSE_S
from benchmarks.reading import MODEL, Text, Wrong, leave
from servers.jobs.results import BYTES_PER_SAMPLE
from tests.acceptance.processes import HTTP_S
from tests.web.served import Client
from tests.web.talking import Talker

FORMATS = {"pcm_16000": "wav", "pcm_24000": "pcm"}
"""And what HTTP calls a stream of the same samples."""
BROKEN = (AssertionError, ConnectionError, HTTPException)
"""What a talker raises whose connection ends, or was refused."""


@dataclass
class Told:
    """What was heard of one context."""

    pcm: bytearray = field(default_factory=bytearray)
    chars: str = ""
    has_ended: bool = False

    @property
    def samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE

    def hear(self, message: dict[str, Any]) -> None:
        """Raises Wrong where it is not what comes next."""
        if message.get("startSample", self.samples) != self.samples:
            raise Wrong(f"{message['startSample']} comes at sample {self.samples}")
        self.pcm += base64.b64decode(message["audio"] or "")
        self.chars += "".join((message.get("alignment") or {}).get("chars", ()))
        self.has_ended = self.has_ended or bool(message["isFinal"])


class Talks:
    """One client, in each of the ways that it has."""

    def __init__(self, port: int, heard: Heard, dice: random.Random) -> None:
        self._port, self._heard, self._dice = port, heard, dice
        self.ways: tuple[Callable[[int], None], ...] = (
            self.talk,
            self.vanish,
            self.interrupt,
            self.come_back,
        )

    def talk(self, number: int) -> None:
        """Several sentences, heard to the end; again from the first where that breaks off."""
        texts, format = self._texts(number), self._format()
        deadline, has_ended = time.monotonic() + END_S, False
        while not has_ended and time.monotonic() < deadline:
            has_ended = self._talked("stream-input", format, texts, self._tell_all)
        if not has_ended:
            self._heard.faults.append(f"{texts} did not end")

    def vanish(self, number: int) -> None:
        """Amid something long, with more of it waiting."""
        texts = [Text(number, LONG_CHUNKS), *self._texts(number)]
        self._talked("stream-input", self._format(), texts, self._tell_some)
        self._heard.note_abandoned(number)

    def interrupt(self, number: int) -> None:
        """One context is closed amid something long, and another spoken to its end."""
        texts = self._texts(number)
        self._talked("multi-stream-input", self._format(), texts, lambda *told: self._tell_two(number, *told))
        self._heard.note_abandoned(number)

    def come_back(self, number: int) -> None:
        """With a key, from where it was, as often as it takes."""
        texts, format, key = self._texts(number), self._format(), uuid.uuid4().hex
        pieces, told = self._pieces(texts), Told()
        deadline, leaving = time.monotonic() + END_S, self._dice.randint(1, 4)
        while not told.has_ended and time.monotonic() < deadline:
            most = self._dice.randint(0, 4) if leaving > 0 else None
            leaving -= 1
            query = f"stream-input?idempotency_key={key}&from={told.samples}"
            self._talked(
                query, format, texts, lambda *say, most=most: self._tell_on(pieces, most, *say), told
            )
        if not told.has_ended:
            self._heard.faults.append(f"{texts} did not end")

    # what is said in each

    def _tell_all(self, talker: Talker, texts: list[Text], told: Told) -> None:
        for piece in self._pieces(texts):
            talker.send({"text": piece})
        talker.send({"text": ""})
        while not told.has_ended:
            told.hear(self._message(talker))
        if told.chars != (whole := "".join(f"{text} " for text in texts)):
            self._heard.faults.append(f"characters {told.chars!r} of {whole!r}")
        if (code := talker.close_code()) != 1000:
            self._heard.faults.append(f"it was closed with {code}")

    def _tell_on(
        self, pieces: list[str], most: int | None, talker: Talker, _: list[Text], told: Told
    ) -> None:
        """Leaves after so many messages, where it is to leave."""
        for piece in [*pieces, ""]:
            talker.send({"text": piece})
        while not told.has_ended and most != 0:
            told.hear(self._message(talker))
            most = None if most is None else most - 1

    def _tell_some(self, talker: Talker, texts: list[Text], told: Told) -> None:
        for piece in self._pieces(texts):
            talker.send({"text": piece})
        if self._dice.random() < 0.5:
            talker.send({"text": "And more", "flush": True})
        for _ in range(self._dice.randint(0, 6)):
            told.hear(self._message(talker))
        if self._dice.random() < 0.3:
            talker.close()

    def _tell_two(self, number: int, talker: Talker, texts: list[Text], told: Told) -> None:
        long = Told()
        talker.send({"text": f"{Text(number, LONG_CHUNKS)} ", "context_id": "long"})
        for _ in range(self._dice.randint(0, 4)):
            long.hear(self._message(talker))
        talker.send({"context_id": "long", "close_context": True})
        self._heard.note_abandoned(number)
        for piece in self._pieces(texts):
            talker.send({"text": piece, "context_id": "short"})
        talker.send({"context_id": "short", "flush": True})
        talker.send({"context_id": "short", "close_context": True})
        while not (told.has_ended and long.has_ended):
            message = self._message(talker)
            (told if message["contextId"] == "short" else long).hear(message)
        talker.send({"close_socket": True})

    # what they share

    def _talked(
        self,
        path: str,
        format: str,
        texts: list[Text],
        talk: Callable[[Talker, list[Text], Told], None],
        told: Told | None = None,
    ) -> bool:
        """Whether all was heard; False where it broke off, or was left. Checks what was heard."""
        told, sock = told or Told(), None
        start = told.samples
        try:
            sock = socket.create_connection(("127.0.0.1", self._port), HTTP_S)
            path = f"/v1/text-to-speech/low/{path}{'&' if '?' in path else '?'}model_id={MODEL}"
            talk(Talker(Client(sock), f"{path}&output_format={format}"), texts, told)
        except (Wrong, TimeoutError) as error:
            self._heard.faults.append(f"{texts}: {error!r}")
        except BROKEN as error:
            self._heard.note_lost(f"{type(error).__name__} {str(error)[:60]}", f"{texts[0]}")
            time.sleep(PAUSE_S)
        finally:
            if sock is not None:
                leave(sock, self._dice)
        expected, came = several(texts, FORMATS[format]), bytes(told.pcm[start * BYTES_PER_SAMPLE :])
        self._heard.check(f"{texts} as {format}", expected, start, came, told.has_ended)
        return told.has_ended

    def _message(self, talker: Talker) -> dict[str, Any]:
        """Raises ConnectionError where it is an error that a killed runner explains."""
        message = json.loads(talker.hear())
        if "error" in message:
            raise ConnectionError(message["error"])
        return message

    def _format(self) -> str:
        return self._dice.choice(list(FORMATS))

    def _texts(self, number: int) -> list[Text]:
        return [Text(number, self._dice.randint(1, 12)) for _ in range(self._dice.randint(1, 4))]

    def _pieces(self, texts: list[Text]) -> list[str]:
        """As a language model gives them, which ends with a space."""
        whole, pieces = "".join(f"{text} " for text in texts), []
        while whole:
            size = self._dice.randint(1, 6)
            pieces.append(whole[:size])
            whole = whole[size:]
        return pieces
