"""What every endpoint that speaks does with its items: jobs are submitted, measured, and answered for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify

from servers.errors import SkylarkError
from servers.finetune.measuring import Measuring
from servers.finetune.outputs import placed, wav_reply
from servers.jobs.request import Item, Requester
from servers.jobs.requests import QueueOptions
from servers.jobs.to_bucket import Destination, Uploaded, uploaded
from servers.web.batch import Outcomes
from servers.web.requester import requests


@dataclass(frozen=True)
class Work:
    """Of one request: what its duration is called, which model is asked, and for whom."""

    name: str
    model: str
    who: Requester
    job_id: str | None = None
    """What its replies have for one; None is the engine's job's."""


def one_spoken(work: Work, item: Item, into: Destination | None) -> Response:
    """A WAV, or where it is in the bucket. Raises the job's error."""
    with outcomes(work, [item], into) as made:
        match next(made):
            case SkylarkError() as error:
                raise error
            case Uploaded() as there:
                return jsonify(told(work, item, there))
            case done:
                return wav_reply(done)


def all_uploaded(work: Work, items: Sequence[Item], into: Destination) -> Response:
    """An array in the items' order: where each is, or its error."""
    with outcomes(work, items, into) as made:
        return jsonify([told(work, item, outcome) for item, outcome in zip(items, made, strict=True)])


def told(work: Work, item: Item, outcome: Any) -> dict[str, Any]:
    """What a reply says of audio in the bucket, or of its error."""
    own = {} if work.job_id is None else {"job_id": work.job_id}
    if isinstance(outcome, SkylarkError):
        return {"text": item.payload["text"], "error": outcome.to_dict()} | own
    return placed(outcome, item.payload["text"]) | own


@contextmanager
def outcomes(work: Work, items: Sequence[Item], into: Destination | None) -> Iterator[Outcomes]:
    """Of the jobs, in order; with `into`, once they are uploaded."""
    options = QueueOptions(model=work.model)
    with requests().submit(options, items, work.who, live=into is not None) as spoken:
        made = spoken.outcomes() if into is None else uploaded(spoken, into)
        with closing(Measuring.here(work.name).outcomes(spoken, made)) as measured:
            yield measured
