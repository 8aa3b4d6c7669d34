"""Seed 000's work on texts. It needs no GPU: it is no job, and waits for neither the queue nor a model."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, current_app
from flask.blueprints import BlueprintSetupState
from pydantic import Field, WithJsonSchema

from servers.errors import BackendFailed, DeadlineExceeded, JobCancelled, MissingExtra, TooLarge
from servers.extras import require
from servers.settings import settings
from servers.speech import Noun
from servers.text.segment import STRATEGIES
from servers.texts.workers import Workers
from servers.web.body import json_body
from servers.web.disconnect import client_connected
from servers.web.openapi import operation

bp = Blueprint("cpu", __name__)
WORKERS, WAITING = 2, 30  # of each kind of work; the server's threads are not for it alone
TIMES_THE_LIMIT = 10
"""A text here may be a chapter: so many times longer than one that is spoken."""


ERRORS = (BackendFailed, DeadlineExceeded, JobCancelled, MissingExtra)
Strategy = Annotated[str, WithJsonSchema({"type": "string", "enum": list(STRATEGIES)})]


class Segmentation(Noun):
    """The body of POST /cpu/segment."""

    text: str
    language: str = "english"
    strategy: Strategy = "char_count"
    max_chars: Annotated[int, Field(ge=1, lt=2**31)] = 300


class Normalization(Noun):
    """The body of POST /cpu/normalize."""

    text: str
    language: str = "en"


@bp.record_once
def _assemble(state: BlueprintSetupState) -> None:
    for kind in (Segmentation, Normalization):
        workers = Workers(WORKERS, WAITING, settings().limits.request_timeout_s)
        state.app.extensions[kind.__name__] = workers


@bp.post("/cpu/segment")
@operation("Cut a text into pieces", body=Segmentation, errors=ERRORS)
def segment() -> dict[str, Any]:
    require("spacy", "spacy")
    return {"segments": _done("segment", json_body(Segmentation))}


@bp.post("/cpu/normalize")
@operation("Write a text as it is spoken", body=Normalization, errors=ERRORS)
def normalize() -> dict[str, Any]:
    require("nemo", "nemo_text_processing", "pynini")
    grammars = str(settings().data_dir / "grammars")
    return {"text": _done("normalize", json_body(Normalization), grammars=grammars)}


def _done(task: str, asked: Segmentation | Normalization, **more: str) -> Any:
    limit = settings().limits.max_text_chars * TIMES_THE_LIMIT
    if len(asked.text) > limit:
        raise TooLarge(f"{len(asked.text)} characters; at most {limit} are possible", param="text")
    workers: Workers = current_app.extensions[type(asked).__name__]
    return workers.ask({"do": task} | asked.model_dump() | more, client_connected)
