"""POST /voice-design: a text, spoken by a voice that is described in words."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response
from pydantic import Field

from servers.errors import InvalidRequest
from servers.finetune.outputs import destination
from servers.finetune.paths import check_part, job_folder
from servers.finetune.speaking import Work, one_spoken
from servers.jobs.durations import INFERENCE_VOICE_DESIGN
from servers.jobs.request import Item, Requester
from servers.jobs.to_bucket import Destination
from servers.limits import check_texts
from servers.settings import Limits
from servers.speech import Noun, Text
from servers.web.body import json_body
from servers.web.failures import OF_BUCKETS, OF_SPEAKING
from servers.web.openapi import JSON, operation
from servers.web.requester import requester, requests

FOLDER = "voice_design"
"""Where what was designed lies in the bucket, in place of a job's id."""
bp = Blueprint("design", __name__)


class VoiceDesign(Noun):
    """The body. Whoever names the file wants it in the bucket, unless it says otherwise."""

    text: Text
    instruct: Text
    """Who speaks, in words."""
    language: str = "English"
    upload_to_s3: Annotated[bool, Field(strict=True)] | None = None
    s3_filename: str | None = None

    @property
    def uploads(self) -> bool:
        return self.s3_filename is not None if self.upload_to_s3 is None else self.upload_to_s3

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field."""
        for name in ("text", "instruct", "language"):
            check_texts(getattr(self, name), limits, name)
        if not self.instruct:
            raise InvalidRequest("'instruct' describes who speaks, and is empty", param="instruct")

    def item(self) -> Item:
        return Item(
            {
                "task": "synthesize",
                "text": self.text,
                "instruct": self.instruct,
                "language": self.language,
            }
        )

    def destination(self, who: Requester) -> Destination | None:
        """None where the audio is wanted in the reply. Raises what is wrong with the file's name."""
        if not self.uploads:
            return None
        folder = job_folder(who.owner, FOLDER)
        if self.s3_filename is not None:
            check_part(self.s3_filename, folder, "s3_filename")
        return destination(folder, [self.s3_filename])


@bp.post("/voice-design")
@operation(
    "Speak with a voice that is described in words",
    body=VoiceDesign,
    replies=("audio/wav", JSON),
    errors=(*OF_SPEAKING, *OF_BUCKETS),
)
def voice_design() -> Response:
    asked = json_body(VoiceDesign)
    door, who = requests(), requester()
    asked.check(door.limits)
    into = asked.destination(who)
    work = Work(INFERENCE_VOICE_DESIGN, "/".join(door.designing.model().key), who)
    return one_spoken(work, asked.item(), into)
