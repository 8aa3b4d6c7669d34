"""The body of POST /v1/audio/speech."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servers.jobs.request import Item
from servers.jobs.requests import QueueOptions
from servers.limits import check_texts
from servers.openai.names import VoiceId, voice_named
from servers.settings import Limits
from servers.speech import Speed, Text
from servers.web.s3_output import S3Output

TASK = "synthesize"


class SpeechBody(QueueOptions, S3Output):
    """The body: OpenAI's fields, and `language`, `seed` and how it is queued."""

    input: Text
    voice: str | VoiceId | None = None
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Speed | None = None
    stream_format: Literal["audio", "sse"] = "audio"
    language: str | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field."""
        check_texts(self.input, limits, "input")
        check_texts(self.instructions, limits, "instructions")

    def item(self) -> Item:
        fields = {"instruct": self.instructions, "speed": self.speed, "language": self.language}
        payload = {"task": TASK, "text": self.input, "voice": voice_named(self.voice), "seed": self.seed}
        given = {name: value for name, value in (payload | fields).items() if value is not None}
        return Item(given, {"text": "input", "instruct": "instructions"})
