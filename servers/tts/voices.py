"""GET /v1/voices and /v1/voices/<voice_id>: who can speak, by what the models say of themselves.

Nothing is made up.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint
from pydantic import BeforeValidator, Field, WithJsonSchema

from servers.backends.base import About
from servers.elevenlabs.voices import labelled
from servers.errors import EngineUnavailable, InvalidRequest, NotFound, SkylarkError
from servers.jobs.client import RETRY_AFTER_S
from servers.jobs.requests import Requests
from servers.openai.listings import cloned_voices, told_about, voices_of
from servers.openai.names import voice_named
from servers.speech import ModelSpec
from servers.tts.names import speaking_model
from servers.web.auth import current_owner
from servers.web.failures import OF_LOADING
from servers.web.openapi import operation
from servers.web.query import Query
from servers.web.requester import requests

bp = Blueprint("voices", __name__)
Told = list[tuple[ModelSpec, About | None]]
TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}


def _flag(text: object) -> bool:
    """Raises InvalidRequest."""
    told = str(text)
    if told.casefold() not in TRUTHS:
        raise InvalidRequest(f"'refresh' is true or false, and not {told[:40]!r}", param="refresh")
    return TRUTHS[told.casefold()]


Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "string", "enum": list(TRUTHS)})]


class VoicesQuery(Query):
    model: Annotated[str | None, Field(description="one of them")] = None
    refresh: Annotated[Flag, Field(description="true: asked anew, which may load it")] = False


@bp.get("/v1/voices")
@operation(
    "Who can speak, by what the models say of themselves",
    query=VoicesQuery,
    errors=OF_LOADING,
)
def voices() -> dict[str, Any]:
    """Of ?model=, or of all that the server asks. `known` is false for a model that was never loaded, and
    that cannot be asked without: ?refresh=true then loads it.
    """
    door, query = requests(), VoicesQuery.of_request()
    specs = _asked(door) if query.model is None else _named(query.model, door)
    told = [(spec, _anew(spec, door) if query.refresh else told_about(spec, door)) for spec in specs]
    own = [] if query.model is not None and not _clones(told) else cloned_voices(door, current_owner())
    return {
        "models": [_described(spec, about) for spec, about in told],
        "voices": [*map(labelled, own), *_theirs(told)],
    }


@bp.get("/v1/voices/<voice_id>")
@operation("One voice; of a cloned one also what it was made of", errors=(NotFound,))
def voice(voice_id: str) -> dict[str, Any]:
    return one_voice(voice_id, requests())


def one_voice(name: str, door: Requests) -> dict[str, Any]:
    """Also by OpenAI's names, and the default one by that. Raises NotFound."""
    own = door.cloned_voices.find(current_owner(), name)
    if own is not None:
        (found,) = (each for each in cloned_voices(door, current_owner()) if each["name"] == own.name)
        return labelled(found) | own.model_dump(exclude={"clip"})
    told = [(spec, told_about(spec, door)) for spec in _asked(door)]
    meant = voice_named(name) or next((about.default_voice for _, about in told if about is not None), None)
    for each in _theirs(told):
        if each["id"] == meant:
            return each
    raise NotFound(f"there is no voice {name[:80]!r}; GET /v1/voices lists them", param="name")


def _theirs(told: Told) -> list[dict[str, Any]]:
    return [labelled(voice) for spec, about in told for voice in voices_of(spec, about)]


def _clones(told: Told) -> bool:
    return any(about is not None and about.clones for _, about in told)


def _named(name: str, door: Requests) -> list[ModelSpec]:
    """Raises UnknownModel, and InvalidRequest for one that cannot speak."""
    return [door.model(speaking_model(name, door))]


def _asked(door: Requests) -> list[ModelSpec]:
    return [candidate.spec for candidate in door.preferred.candidates]


def _anew(spec: ModelSpec, door: Requests) -> About:
    """Read again from its files, where it can be told by them; otherwise loaded, unless it is.

    Raises why it cannot be.
    """
    if (described := door.description(spec)) is not None:
        return described.about
    loaded = door.client.load_model("/".join(spec.key))
    if loaded["error"] is not None:
        raise SkylarkError.from_dict(loaded["error"])
    if loaded["about"] is None:
        raise EngineUnavailable(f"{spec.name} is still being loaded", retry_after_s=RETRY_AFTER_S)
    return About.model_validate(loaded["about"])


def _described(spec: ModelSpec, about: About | None) -> dict[str, Any]:
    return {
        "model": "/".join(spec.key),
        "known": about is not None,
        "default_voice": None if about is None else about.default_voice,
        "languages": [] if about is None else list(about.languages),
    }
