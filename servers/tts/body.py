"""The body of POST /v1/tts: one text, and how its audio is to come."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from servers.audio.encode import check_format, check_rate, nearest_rate
from servers.errors import InvalidRequest, TooLarge
from servers.jobs.request import Item
from servers.jobs.requests import QueueOptions
from servers.limits import check_texts
from servers.openai.names import voice_named
from servers.openai.speech_body import SpeechBody
from servers.settings import Limits, Tts
from servers.speech import Speed, Text
from servers.tts.names import TASK
from servers.web.s3_output import S3Output

AudioFormat = Literal["wav", "flac", "mp3", "opus", "aac", "pcm"]


class TtsBody(QueueOptions, S3Output):
    """`instructions` is another name of `instruct`. Without any `output` it is as `output_mode` says."""

    text: Text
    voice: str | None = None
    language: str | None = None
    instruct: str | None = None
    instructions: str | None = None
    speed: Speed | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    format: AudioFormat = "wav"
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] | None = None
    stream: Annotated[bool, Field(strict=True)] = False
    output_mode: Literal["base64", "file"] | None = None

    def check(self, limits: Limits, own: Tts) -> None:
        """Raises InvalidRequest or TooLarge naming the field, and MissingExtra where the format cannot be
        written.
        """
        if len(self.text) > own.max_text_length:
            message = f"{len(self.text)} characters; at most {own.max_text_length} are possible here"
            raise TooLarge(message, param="text")
        for name in ("text", "instruct", "instructions"):
            check_texts(getattr(self, name), limits, name)
        if self.instruct is not None and self.instructions is not None:
            raise InvalidRequest("give instruct or instructions, not both", param="instructions")
        if self.stream and self.output_mode is not None:
            raise InvalidRequest(
                "a stream is no file, nor base64: leave output_mode out", param="output_mode"
            )
        if self.wants_bucket and (self.stream or self.output_mode is not None):
            raise InvalidRequest(
                "what goes into a bucket is no stream, file, nor base64: leave stream and output_mode out",
                param="output",
            )
        check_format(self.format)
        if self.sample_rate is not None:
            check_rate(self.sample_rate, self.format)

    def rate(self, default: int) -> int:
        """Samples a second of the audio: as asked for, or the nearest to the default that the format has."""
        return self.sample_rate or nearest_rate(default, check_format(self.format).rates)

    def item(self) -> Item:
        instruct, name = (self.instruct, "instruct")
        if self.instructions is not None:
            instruct, name = self.instructions, "instructions"
        payload = {
            "task": TASK,
            "text": self.text,
            "voice": voice_named(self.voice),
            "language": self.language,
            "instruct": instruct,
            "speed": self.speed,
            "seed": self.seed,
        }
        return Item({key: value for key, value in payload.items() if value is not None}, {"instruct": name})

    def as_speech(self) -> SpeechBody:
        """The same for who streams it."""
        return SpeechBody(input=self.text, voice=self.voice, response_format=self.format)
