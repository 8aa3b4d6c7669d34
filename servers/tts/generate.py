"""POST /generate_batch: texts to audio, all of one request's in one reply."""

from __future__ import annotations

import base64
import io
import uuid
from typing import Annotated, Any, Literal

import numpy as np
from flask import Blueprint
from pydantic import Field

from servers.audio.encode import encode
from servers.audio.files import probe
from servers.errors import InvalidRequest, TooLarge
from servers.settings import Limits
from servers.web.body import json_body
from servers.web.errands import Order, Reply, WireJob, errands

bp = Blueprint("generate", __name__)
ALONE = ""
"""The batch key of a text that is not to share the model with another."""


class Generation(Order):
    """The body. `instruct` is for all texts, `instructs` has one for each."""

    texts: list[str] = Field(min_length=1)
    instruct: str | None = None
    instructs: list[str | None] | None = None
    batch: Annotated[bool, Field(strict=True)] = False
    voice: str | None = None
    language: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """The same one again makes the same audio again, with a model that draws lots."""
    format: Literal["wav", "flac", "mp3", "opus"] = "wav"

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field, down to the text at fault."""
        if len(self.texts) > limits.max_texts:
            raise TooLarge(f"{len(self.texts)} texts; at most {limits.max_texts} are possible", param="texts")
        for index, text in enumerate(self.texts):
            if not text.strip():
                raise InvalidRequest("an empty text cannot be spoken", param=f"texts.{index}")
            if len(text) > limits.max_text_chars:
                message = f"{len(text)} characters; at most {limits.max_text_chars} are possible"
                raise TooLarge(message, param=f"texts.{index}")
        if self.instructs is None:
            return
        if self.instruct is not None:
            raise InvalidRequest("give instruct or instructs, not both", param="instructs")
        if len(self.instructs) != len(self.texts):
            message = f"{len(self.instructs)} instructs for {len(self.texts)} texts"
            raise InvalidRequest(message, param="instructs")

    def payloads(self) -> list[dict[str, Any]]:
        """One synthesize job's payload for each text."""
        shared = {"task": "synthesize", "voice": self.voice, "language": self.language, "seed": self.seed}
        instructs = self.instructs or [self.instruct] * len(self.texts)
        payloads = [
            shared | {"text": text, "instruct": instruct}
            for text, instruct in zip(self.texts, instructs, strict=True)
        ]
        return [{name: value for name, value in each.items() if value is not None} for each in payloads]

    def names(self) -> list[dict[str, str]]:
        """What each payload's fields are called in the body."""
        names = [{"text": f"texts.{index}"} for index in range(len(self.texts))]
        if self.instructs is None:
            return names
        return [each | {"instruct": f"instructs.{index}"} for index, each in enumerate(names)]


@bp.post("/generate_batch")
def generate_batch() -> dict[str, Any]:
    asked = json_body(Generation)
    asked.check(errands().limits)
    batch_key = uuid.uuid4().hex if asked.batch else ALONE
    errand = errands().submit(asked, asked.payloads(), asked.names(), batch_key)
    replies = errand.replies(lambda job: spoken(job, asked.format))
    results = [{"text": text} | reply for text, reply in zip(asked.texts, replies, strict=True)]
    return {"results": results, "model": errand.model.name, "job_ids": errand.job_ids}


def spoken(job: WireJob, format: str) -> Reply:
    """A done job's audio and words, as the reply has them."""
    result = job["result"]
    samples = np.fromfile(result["pcm_path"], dtype="<i2")
    file = encode(samples, result["sample_rate"], format)
    return {
        "audio": base64.b64encode(file).decode("ascii"),
        "format": format,
        "sample_rate": probe(io.BytesIO(file)).sample_rate,  # not every format carries the model's own
        "duration_s": result["duration_s"],
        "words": result["words"],
        "finish_reason": result["finish_reason"],
    }
