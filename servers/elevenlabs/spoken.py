"""One text to a job, and its audio as it is made to bytes in an output format with the characters' times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from servers.audio.pcm import to_int16
from servers.elevenlabs.alignment import Alignment, Characters
from servers.elevenlabs.formats import Encoder, OutputFormat
from servers.errors import SkylarkError
from servers.jobs.request import Item, Request, Requester, in_request_terms
from servers.jobs.requests import QueueOptions, Requests
from servers.openai.names import model_named, voice_named
from servers.speech import Chunk, Word
from servers.web.resume import BYTES_PER_SAMPLE, POSITIONED

TASK = "synthesize"
THEIR_MODELS = "eleven_"
"""How ElevenLabs' names of models begin: each means what the server asks by default."""
FIELDS = {"voice": "voice_id", "language": "language_code", "speed": "voice_settings.speed"}
LARGEST_PIECE = 98_304
"""Bytes of audio in one message: some clients take no larger ones than 1 MiB."""


@dataclass(frozen=True)
class Speaker:
    """Who speaks, how, and for whom."""

    door: Requests
    voice: str | None
    model: str | None
    language: str | None
    seed: int | None
    format: OutputFormat

    @staticmethod
    def of(
        door: Requests,
        voice_id: str,
        model_id: str | None,
        language: str | None,
        seed: int | None,
        format: OutputFormat,
        owner: str | None,
    ) -> Speaker:
        """In the client's names. Raises UnknownModel, and UnknownVoice as far as that is known at once."""
        own = None if model_id is None or model_id.startswith(THEIR_MODELS) else model_id
        found = Speaker(door, voice_named(voice_id), model_named(own, door, TASK), language, seed, format)
        try:
            chosen = door.model(found.model, found._payload("", None), owner)
            door.check_voice(chosen, found.voice, owner)
        except SkylarkError as error:
            raise in_request_terms(error, FIELDS) from None
        return found

    def submit(self, text: str, speed: float | None, requester: Requester) -> Request:
        """Raises what is wrong with it, in the words of the client's request."""
        item = Item(self._payload(text, speed), FIELDS)
        return self.door.submit(QueueOptions(model=self.model), [item], requester)

    def _payload(self, text: str, speed: float | None) -> dict[str, Any]:
        fields: dict[str, Any] = {"voice": self.voice, "language": self.language, "seed": self.seed}
        fields["speed"] = None if speed == 1 else speed
        given = {name: value for name, value in fields.items() if value is not None}
        return {"task": TASK, "text": text} | given


@dataclass(frozen=True)
class Piece:
    """Some of the audio, which may be none, and the characters that became known with it."""

    audio: bytes
    alignment: Alignment | None
    start: int | None = None
    """The sample of the utterance that it begins with; None where the bytes are not plain samples."""

    @property
    def end(self) -> int:
        """The sample after its last one; 0 where that is not known."""
        return 0 if self.start is None else self.start + len(self.audio) // BYTES_PER_SAMPLE

    def after(self, start: int, rate_hz: int) -> Piece | None:
        """From that sample on, with the characters that have not ended by then; None where it is nothing."""
        if self.start is None or start <= self.start:
            return self
        audio = self.audio[(start - self.start) * BYTES_PER_SAMPLE :]
        alignment = self.alignment and self.alignment.after(1000 * start / rate_hz)
        return Piece(audio, alignment, start) if audio or alignment else None


def pieces(jobs: Request, text: str, format: OutputFormat) -> Iterator[Piece]:
    """The audio of the one job that speaks the text. Raises why it failed, and as `Request.stream` does."""
    start = 0 if format.codec in POSITIONED else None
    for piece in _unplaced(jobs, text, format):
        yield replace(piece, start=start)
        start = None if start is None else start + len(piece.audio) // BYTES_PER_SAMPLE


def _unplaced(jobs: Request, text: str, format: OutputFormat) -> Iterator[Piece]:
    characters, encoder = Characters(text.strip()), None
    try:
        for _, what in jobs.stream():
            if isinstance(what, SkylarkError):
                raise what
            if isinstance(what, Chunk):
                encoder = encoder or Encoder(format, what.sample_rate)
                yield from _cut(encoder.push(to_int16(what.samples)), characters.through(what.words))
            else:
                encoder = encoder or Encoder(format, what["sample_rate"])
                words = [Word.model_validate(word) for word in what["words"]]
                yield from _cut(encoder.finish(), characters.rest(words, what["duration_s"]))
    finally:
        if encoder is not None:
            encoder.close()


def _cut(audio: bytes, alignment: Alignment | None) -> Iterator[Piece]:
    """The characters go with the first of it."""
    if audio or alignment is not None:
        yield Piece(audio[:LARGEST_PIECE], alignment)
    for start in range(LARGEST_PIECE, len(audio), LARGEST_PIECE):
        yield Piece(audio[start : start + LARGEST_PIECE], None)
