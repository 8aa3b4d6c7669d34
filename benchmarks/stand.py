"""The appliance on its embedded default, as it is measured: with its own models and real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from servers.settings import ROOT
from tests.acceptance.processes import Appliance, running_appliance

EXAMPLE = (ROOT / "examples" / "hello.txt").read_text(encoding="utf-8").strip()


@contextmanager
def embedded_default() -> Iterator[Appliance]:
    with running_appliance(
        SKYLARK_MODELS_FILE="config/models.example.yaml", SKYLARK_BACKENDS_PATH="[]"
    ) as appliance:
        yield appliance


def spoken(appliance: Appliance, text: str) -> dict:
    """The result of one text, its audio as base64."""
    reply = appliance.post("tts", "/generate_batch", json={"texts": [text]})
    reply.raise_for_status()
    return reply.json()["results"][0]
