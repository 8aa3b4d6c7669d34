"""A training by hand, with a stand-in for the engine: begun, and taken to its next status."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from servers.finetune.jobs import EXTENSION
from servers.finetune.lifecycle import FOLLOWED, PREPARED, Lifecycle
from tests.datasets.made import dataset, zipped
from tests.jobs.stand_in_engine import Outcome, StandInEngine, speech, transcript


def data_set(folder: Path) -> bytes:
    """Three tones; what is said in them is what a stand-in says."""
    (folder / "made").mkdir(exist_ok=True)
    dataset(folder / "made")
    return zipped(folder / "made", folder / "made.zip").read_bytes()


def begin(client: FlaskClient, content: bytes, **fields: Any) -> TestResponse:
    return client.post("/finetune", data={"dataset": (io.BytesIO(content), "voice.zip"), **fields})


def lifecycle(client: FlaskClient) -> Lifecycle:
    found: Lifecycle = client.application.extensions[EXTENSION]
    return found


def go_on(client: FlaskClient) -> None:
    """As far as the engine's jobs have come."""
    for statuses in (PREPARED, FOLLOWED, FOLLOWED):
        lifecycle(client).step(statuses)


def trains(folder: Path) -> Callable[[dict[str, Any]], Outcome]:
    """What the engine's jobs become: a checkpoint in the folder, a transcript, or speech."""

    def outcome(payload: dict[str, Any]) -> Outcome:
        match payload.get("task", "train"):
            case "train":
                checkpoint = folder / "finetunes" / "it" / "checkpoint-epoch-0"
                checkpoint.mkdir(parents=True, exist_ok=True)
                return {"checkpoint": str(checkpoint), "warnings": []}
            case "align":
                return transcript(payload)
            case _:
                return speech(payload)

    return outcome


def train(client: FlaskClient, engine: StandInEngine, folder: Path, **fields: Any) -> str:
    """The id of a training that is ready."""
    engine.outcome = trains(folder)
    job_id: str = begin(client, data_set(folder), **fields).get_json()["job_id"]
    go_on(client)
    return job_id
