"""What clients may send: one recording, as JSON or as a form, or many in JSON; with a text to align it to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servers.jobs.requests import QueueOptions
from servers.speech import Noun, Prompt, Speakers, Temperature, Text
from servers.web.recordings import AudioItem

Format = Literal["json", "srt", "vtt"]


class ReplyOptions(Noun):
    """How the reply is written, which is the server's own matter: a batch is always JSON."""

    format: Format = "json"


NOT_OPTIONS = AudioItem.not_options | ReplyOptions.model_fields.keys()


class TranscribeItem(AudioItem):
    """What is not sent is the model's own default."""

    task = "transcribe"

    prompt: Prompt | None = None
    temperature: Temperature | None = None
    words: bool | None = None
    translate: bool | None = None
    diarize: bool | None = None
    min_speakers: Speakers | None = None
    max_speakers: Speakers | None = None


class AlignItem(AudioItem):
    task = "align"

    text: Text


class TranscribeBody(QueueOptions, ReplyOptions, TranscribeItem):
    """The body of /transcribe."""

    not_options = NOT_OPTIONS


class AlignBody(QueueOptions, ReplyOptions, AlignItem):
    """The body of /align."""

    not_options = NOT_OPTIONS


class TranscribeBatchBody(QueueOptions):
    """The body of /transcribe_batch."""

    items: list[TranscribeItem] = Field(min_length=1)


class AlignBatchBody(QueueOptions):
    """The body of /align_batch."""

    items: list[AlignItem] = Field(min_length=1)
