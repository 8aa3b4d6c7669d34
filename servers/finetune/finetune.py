"""POST /finetune: a training is begun, from a data set in the bucket or one that is sent."""

from __future__ import annotations

import shutil
import time
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from flask import Blueprint, Flask, request
from pydantic import Field
from werkzeug.datastructures import FileStorage

from servers.backends.load import backend_class
from servers.buckets.bucket import bucket
from servers.buckets.keys import check_key, owners_prefix
from servers.datasets.archive import FIELD, look_through
from servers.datasets.speaker import check_speaker
from servers.errors import InvalidDataset, InvalidRequest, JobNotFound, MissingExtra, StorageFailed
from servers.finetune.jobs import described, lifecycle
from servers.finetune.lifecycle import TRAINER
from servers.finetune.paths import check_part
from servers.finetune.trainings import ZIP, Training
from servers.settings import settings
from servers.speech import ModelSpec, Noun
from servers.storage import storing
from servers.web.app import MEGABYTE
from servers.web.auth import current_owner
from servers.web.body import form_parts, json_body
from servers.web.failures import OF_BUCKETS
from servers.web.openapi import FORM, operation
from servers.web.requester import requests

DATASETS = "datasets/{owner}"
"""Where those lie in the bucket that a client with a key may name."""
HOW = "`scripts/setup-finetune` installs what it needs, and says which entry config/models.yaml is to have"
bp = Blueprint("finetune", __name__)


def install(app: Flask) -> None:
    """A data set may be larger than what any other request may send."""
    usual = app.config["MAX_CONTENT_LENGTH"]
    app.config["MAX_CONTENT_LENGTH"] = max(usual, int(settings().finetune.max_dataset_mb * MEGABYTE))

    @app.before_request
    def _limit() -> None:
        if request.endpoint != f"{bp.name}.{finetune.__name__}":
            request.max_content_length = usual


class Fields(Noun):
    """What may be said of a training, in JSON or beside the data set in a form."""

    speaker_name: str = "speaker_custom"
    num_epochs: Annotated[int, Field(ge=1, le=1_000)] = 15
    batch_size: Annotated[int, Field(ge=1, le=256)] = 2
    lr: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1e-6
    book_id: str | None = None
    chapter_id: str | None = None
    character_id: str | None = None
    resume_job_id: str | None = None
    language: str | None = None
    """The one that is spoken in all clips, as a tag; None leaves it to the text."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    gradient_accumulation: Annotated[int, Field(ge=1, le=256)] | None = None
    held_out: Annotated[float, Field(ge=0, le=0.5)] | None = None
    align: bool = True
    """Whether each recording is listened to for its text."""

    def payload(self) -> dict[str, Any]:
        """Of the engine's job, without its data set and the job that it goes on from."""
        names = {"speaker_name", "num_epochs", "batch_size", "lr", "language", "seed", "warmup_steps",
                 "gradient_accumulation", "held_out"}  # fmt: skip
        return self.model_dump(include=names, exclude_none=True)

    def check(self) -> None:
        """Raises InvalidRequest naming the field."""
        check_speaker(self.speaker_name)
        if self.chapter_id is not None and self.book_id is None:
            raise InvalidRequest("'chapter_id' is one of a book: give its book_id", param="chapter_id")
        for name in ("book_id", "chapter_id", "character_id"):
            if (part := getattr(self, name)) is not None:
                check_part(part, "", name)


class InBucket(Fields):
    """The body."""

    dataset_s3_key: Annotated[str, Field(min_length=1)]


@bp.post("/finetune")
@operation(
    "Begin a training",
    body=InBucket,
    form=Fields,
    file=FIELD,
    successes=(HTTPStatus.ACCEPTED,),
    errors=(InvalidDataset, MissingExtra, StorageFailed, *OF_BUCKETS),
)
def finetune() -> tuple[dict[str, Any], int]:
    model = _trainer()
    asked, sent = _asked()
    asked.check()
    begun = lifecycle()
    former, warnings = _former(asked.resume_job_id)
    training = Training(
        id=uuid.uuid4().hex[:12],
        owner=current_owner(),
        created_at=time.time(),
        payload=asked.payload() | former,
        model=model.name,
        warnings=warnings,
        dataset_s3_key=asked.dataset_s3_key if isinstance(asked, InBucket) else None,
        **asked.model_dump(include={"align", "book_id", "chapter_id", "character_id", "resume_job_id"}),
    )
    home = begun.trainings.home(training.id)
    with storing("the data set"):
        home.mkdir(parents=True)
    try:
        if sent is not None:
            _keep(sent, home / ZIP)
        begun.trainings.add(training)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    begun.wake()
    return described(training, None) | {"config": _config(asked, model)}, HTTPStatus.ACCEPTED


def _trainer() -> ModelSpec:
    """Raises MissingExtra where nothing here can train, saying which command mends it."""
    door = requests()
    if TRAINER not in door.catalog.entries:
        raise MissingExtra(f"nothing here trains voices: {HOW}")
    model = door.catalog.resolve(TRAINER)
    kind = backend_class(model.backend, settings().backends_path)
    if model.venv is None:
        kind.check(kind.options.model_validate(model.options))
    return model


def _asked() -> tuple[Fields, FileStorage | None]:
    """What is asked for, and the data set that came with it. Raises what is wrong with either."""
    if request.mimetype != FORM:
        asked = json_body(InBucket)
        _check_there(asked.dataset_s3_key)
        return asked, None
    fields, files = form_parts()
    for name in files:
        if name != FIELD:
            raise InvalidRequest(f"unknown file {name!r}; the data set is sent as {FIELD!r}", param=name)
    if "dataset_s3_key" in fields and FIELD not in files:
        asked = InBucket.parse(fields.to_dict())
        _check_there(asked.dataset_s3_key)
        return asked, None
    if FIELD not in files:
        message = f"{FIELD!r} is required, as a file of a form; or dataset_s3_key names one in the bucket"
        raise InvalidRequest(message, param=FIELD)
    return Fields.parse(fields.to_dict()), files[FIELD]


def _check_there(key: str) -> None:
    """Raises InvalidDataset where there is no such object, and what is wrong with the key or the bucket."""
    owner = current_owner()
    check_key(key, "" if owner is None else owners_prefix(DATASETS, owner), "dataset_s3_key")
    if not bucket(settings().s3).has(key):
        raise InvalidDataset(f"there is no object {key!r} in the bucket", param="dataset_s3_key")


def _former(training_id: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """The engine's job that it goes on from; where there is none, it starts from the base and says so."""
    if training_id is None:
        return {}, ()
    try:
        former = lifecycle().trainings.find(training_id, current_owner())
    except JobNotFound as error:
        return {}, (f"{error.message}: trained from the base",)
    if former.job_id is None:
        return {}, (f"the job {former.id} has trained nothing: trained from the base",)
    return {"resume_job_id": former.job_id}, ()


def _keep(sent: FileStorage, path: Path) -> None:
    look_through(sent.stream)  # type: ignore[arg-type]  # it is read as a file is
    sent.stream.seek(0)
    with storing("the data set"):
        sent.save(path)


def _config(asked: Fields, model: ModelSpec) -> dict[str, Any]:
    config = asked.model_dump(include={"num_epochs", "batch_size", "lr"})
    return config | {"flash_attn": model.options.get("attention") == "flash_attention_2"}
