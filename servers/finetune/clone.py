"""POST /voice-clone/batch: texts in the voice of a recording, which is at a URL or is sent as base64."""

from __future__ import annotations

import base64
import io
from contextlib import closing
from typing import Annotated, Any, BinaryIO

from flask import Blueprint, Response, jsonify
from pydantic import Field

from servers.audio.encode import encode_file
from servers.audio.reference import clip_length_s, clip_samples
from servers.errors import AudioTooLong, InvalidRequest, UnsupportedAudio
from servers.finetune.outputs import FORMAT, destination, there_already
from servers.finetune.paths import check_filenames, job_folder
from servers.finetune.speaking import Work, outcomes, told
from servers.jobs.durations import INFERENCE_VOICE_CLONE
from servers.jobs.request import Done, Item
from servers.limits import check_count, check_texts, check_together
from servers.settings import Limits, settings
from servers.speech import Noun, Text
from servers.storage import storing
from servers.web.app import MEGABYTE
from servers.web.body import json_body
from servers.web.failures import OF_BUCKETS, OF_SPEAKING
from servers.web.fetching import Fetcher
from servers.web.openapi import operation
from servers.web.recordings import Reference, decoded, saved_reference
from servers.web.requester import requester, requests

FOLDER = "voice_clone"
"""Where what was cloned lies in the bucket, in place of a job's id."""
FIELD = "ref_audio_url"
SAMPLE_RATE = 24_000
"""At which a clip is looked at, in Hz."""
bp = Blueprint("clone", __name__)


class CloneItem(Noun):
    text: Text
    filename: str | None = None
    """The job's id where it is not said."""


class CloneBatch(Noun):
    """The body."""

    ref_audio_url: Annotated[str, Field(min_length=1)]
    """An http or https URL, or the recording itself as base64, also as a data: URL."""
    ref_text: str
    items: list[CloneItem] = Field(min_length=1)
    language: str = "English"
    use_xvec: Annotated[bool, Field(strict=True)] = False
    upload_to_s3: Annotated[bool, Field(strict=True)] = True
    overwrite: Annotated[bool, Field(strict=True)] = False

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field."""
        check_count(len(self.items), limits, "items")
        for index, item in enumerate(self.items):
            check_texts(item.text, limits, f"items.{index}.text")
        check_texts(self.language, limits, "language")
        check_texts(self.ref_text, limits, "ref_text")
        check_together([item.text for item in self.items], limits, "items")
        if not self.use_xvec and not self.ref_text.strip():
            message = (
                "'ref_text' is what is said in the reference; without it use_xvec takes its timbre alone"
            )
            raise InvalidRequest(message, param="ref_text")

    def item(self, index: int, reference: Reference) -> Item:
        payload: dict[str, Any] = {
            "task": "synthesize",
            "text": self.items[index].text,
            "language": self.language,
            "reference_audio_path": str(reference.path),
        }
        payload |= {"x_vector_only": True} if self.use_xvec else {"reference_text": self.ref_text}
        fields = {"text": f"items.{index}.text", "reference_audio_path": FIELD, "reference_text": "ref_text"}
        return Item(payload, fields | {"x_vector_only": "use_xvec"}, reference.release)


@bp.post("/voice-clone/batch")
@operation(
    "Speak texts in the voice of a recording",
    body=CloneBatch,
    errors=(UnsupportedAudio, AudioTooLong, *OF_SPEAKING, *OF_BUCKETS),
)
def voice_clone() -> Response:
    asked = json_body(CloneBatch)
    door, who = requests(), requester()
    asked.check(door.limits)
    folder = job_folder(who.owner, FOLDER)
    names = check_filenames([item.filename for item in asked.items], folder)
    into = destination(folder, names) if asked.upload_to_s3 else None
    there = {} if into is None or asked.overwrite else there_already(into)
    missing = [index for index in range(len(asked.items)) if index not in there]
    replies: dict[int, dict[str, Any]] = {
        index: {"text": asked.items[index].text, "skipped": True, "sample_rate": None, "job_id": None} | place
        for index, place in there.items()
    }
    if missing:
        model = "/".join(door.cloning.model().key)
        with closing(_clip(asked.ref_audio_url)) as clip:
            reference = saved_reference(clip, len(missing), who)
        items = [asked.item(index, reference) for index in missing]
        within = None if into is None else into.of(missing)
        work = Work(INFERENCE_VOICE_CLONE, model, who)
        with outcomes(work, items, within) as made:
            for index, item, outcome in zip(missing, items, made, strict=True):
                replies[index] = (
                    _sent(outcome, item) if isinstance(outcome, Done) else told(work, item, outcome)
                )
    return jsonify([replies[index] for index in sorted(replies)])


def _clip(named: str) -> BinaryIO:
    """Of a voice that can be cloned. Raises what is wrong with it, and with where it is to be had."""
    clip = _fetched(named) if named[:8].lower().startswith(("http://", "https://")) else _decoded(named)
    try:
        clip_length_s(clip, FIELD)
        clip_samples(clip, SAMPLE_RATE, FIELD)
        clip.seek(0)
    except BaseException:
        clip.close()
        raise
    return clip


def _fetched(url: str) -> BinaryIO:
    own = settings().finetune
    most = int(settings().limits.max_body_mb * MEGABYTE)
    return Fetcher(own.fetch_s, most, own.fetch_networks).fetch(url, FIELD)


def _decoded(text: str) -> BinaryIO:
    if text.startswith("data:"):
        kind, comma, text = text.partition(",")
        if not comma or not kind.endswith(";base64"):
            raise InvalidRequest(f"{FIELD!r} is a data: URL that is not base64", param=FIELD)
    return decoded(text, FIELD)


def _sent(done: Done, item: Item) -> dict[str, Any]:
    """The audio in the reply itself, as base64 of a WAV."""
    file = io.BytesIO()
    with storing("the audio of a text"):
        encode_file(done.pcm, done.result["sample_rate"], FORMAT, file)
    about = {name: done.result[name] for name in ("sample_rate", "duration_s", "finish_reason")}
    audio = base64.b64encode(file.getvalue()).decode()
    return {"text": item.payload["text"], "audio": audio, "job_id": done.job_id} | about
