"""What a client of /v1/tts and /v1/voices calls a model."""

from __future__ import annotations

from servers.errors import UnknownModel
from servers.jobs.requests import Requests
from servers.openai.names import model_named
from servers.settings import settings

TASK = "synthesize"


def speaking_model(name: str | None, door: Requests) -> str | None:
    """ "backend/name" of models.yaml for one of tts.names, an OpenAI name or that itself; None is what the
    server asks by default.

    Raises UnknownModel, and InvalidRequest for one that cannot speak.
    """
    friendly = settings().tts.names
    meant = friendly.get(name or "", name)
    try:
        return model_named(meant, door, TASK)
    except UnknownModel as error:
        if meant != name:
            message = f"{name} is {meant} here (tts.names), which is not in models.yaml: {error.message}"
            raise UnknownModel(message, param="model") from None
        error.message += f"; friendly names are {', '.join(friendly)}" if friendly else ""
        raise
