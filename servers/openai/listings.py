"""GET /v1/models, /v1/models/<id> and /v1/audio/voices: what can be asked for."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.backends.base import About
from servers.errors import EngineUnavailable, UnknownModel
from servers.jobs.requests import Requests
from servers.openai import errors
from servers.openai.errors import operation
from servers.openai.names import DEFAULT
from servers.settings import settings
from servers.speech import ModelSpec, Voice
from servers.web.auth import current_owner
from servers.web.door import SPEAKING
from servers.web.requester import requests

bp = Blueprint("openai_listings", __name__)
errors.install(bp)
CLONED = "cloned"
"""The category of a voice that was made of a recording."""
CREATED = 0
"""When a model was made is not known; the field has to be there."""


@bp.get("/v1/models")
@operation("What a request's model may be")
def models() -> dict[str, Any]:
    """Those of models.yaml as "backend/name", and OpenAI's names for what is asked by default."""
    return {"object": "list", "data": _models(requests(SPEAKING))}


@bp.get("/v1/models/<path:name>")
@operation("One of them", errors=(UnknownModel,))
def model(name: str) -> dict[str, Any]:
    known = _models(requests(SPEAKING))
    for each in known:
        if name in (each["id"], each["id"].rpartition("/")[2]):
            return each
    raise UnknownModel(
        f"there is no model {name!r}; known are {', '.join(each['id'] for each in known)}", param="model"
    )


@bp.get("/v1/audio/voices")
@operation("What a request's voice may be", errors=(EngineUnavailable,))
def voices() -> dict[str, Any]:
    """Of all models that the server asks to speak, by what they say of themselves; "default" comes first."""
    door = requests(SPEAKING)
    told = [voice for spec in _speaking(door) for voice in voices_of(spec, told_about(spec, door))]
    aliases = [_alias(name, meant) for name, meant in settings().openai.voices.items()]
    own = cloned_voices(door, current_owner())
    return {"voices": [_alias(DEFAULT, None), *own, *told, *aliases]}


def _models(door: Requests) -> list[dict[str, Any]]:
    own = [_model("/".join(spec.key), spec.backend, door.tasks(spec)) for spec in door.catalog]
    aliases = [
        _model(name, "openai", []) | {"meant": meant} for name, meant in settings().openai.models.items()
    ]
    return [*own, *aliases]


def _model(name: str, owner: str, tasks: list[str]) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner, "tasks": tasks}


def _speaking(door: Requests) -> list[ModelSpec]:
    return [candidate.spec for candidate in door.preferred.candidates]


def voices_of(spec: ModelSpec, about: About | None) -> list[dict[str, Any]]:
    """As the model tells them; none where it was not asked yet."""
    name = "/".join(spec.key)
    told = () if about is None else about.voices
    return [voice.model_dump() | {"id": voice.name, "model": name} for voice in told]


def cloned_voices(door: Requests, owner: str | None) -> list[dict[str, Any]]:
    """Those that the owner has made, in the same form; `model` is the one that speaks with them by default,
    null where none is here any more.
    """
    voices = door.cloned_voices.of(owner)
    try:
        model = "/".join(door.cloning.model().key) if voices else None
    except UnknownModel:
        model = None
    return [
        Voice(
            name=voice.name,
            languages=() if voice.language is None else (voice.language,),
            description=voice.description,
        ).model_dump()
        | {"id": voice.name, "model": model, "category": CLONED}
        for voice in voices
    ]


def told_about(spec: ModelSpec, door: Requests) -> About | None:
    """What the model says of itself, as far as it is known without loading it, else as it said when it was
    last loaded; None where it never was.
    """
    described = door.preferred.description(spec) or door.description(spec)
    if described is not None:
        return described.about
    known = door.client.models()["models"]
    about = next((each["about"] for each in known if (each["model_type"], each["name"]) == spec.key), None)
    return None if about is None else About.model_validate(about)


def _alias(name: str, meant: str | None) -> dict[str, Any]:
    """A name for another voice; `meant` is null where that is the default one."""
    return Voice(name=name).model_dump() | {"id": name, "model": None, "alias_of": meant or DEFAULT}
