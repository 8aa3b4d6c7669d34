"""GET /v1/models, /v1/models/<id> and /v1/audio/voices: what can be asked for."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.errors import UnknownModel
from servers.jobs.requests import Requests
from servers.openai import errors
from servers.openai.names import DEFAULT
from servers.settings import settings
from servers.speech import ModelSpec, Voice
from servers.web.door import SPEAKING
from servers.web.openapi import operation
from servers.web.requester import requests

bp = Blueprint("openai_listings", __name__)
errors.install(bp)
CREATED = 0
"""When a model was made is not known; the field has to be there."""


@bp.get("/v1/models")
@operation("What a request's model may be")
def models() -> dict[str, Any]:
    """Those of models.yaml as "backend/name", and OpenAI's names for what is asked by default."""
    return {"object": "list", "data": _models(requests(SPEAKING))}


@bp.get("/v1/models/<path:name>")
@operation("One of them")
def model(name: str) -> dict[str, Any]:
    known = _models(requests(SPEAKING))
    for each in known:
        if name in (each["id"], each["id"].rpartition("/")[2]):
            return each
    raise UnknownModel(
        f"there is no model {name!r}; known are {', '.join(each['id'] for each in known)}", param="model"
    )


@bp.get("/v1/audio/voices")
@operation("What a request's voice may be")
def voices() -> dict[str, Any]:
    """Of all models that the server asks to speak, by what they say of themselves; "default" comes first."""
    door = requests(SPEAKING)
    told = [voice for spec in _speaking(door) for voice in _voices(spec, door)]
    aliases = [_alias(name, meant) for name, meant in settings().openai.voices.items()]
    return {"voices": [_alias(DEFAULT, None), *told, *aliases]}


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


def _voices(spec: ModelSpec, door: Requests) -> list[dict[str, Any]]:
    """As far as they are known without loading it, else as it said when it was last loaded."""
    name = "/".join(spec.key)
    return [voice.model_dump() | {"id": voice.name, "model": name} for voice in _told(spec, door)]


def _told(spec: ModelSpec, door: Requests) -> list[Voice]:
    described = door.preferred.description(spec)
    if described is not None:
        return list(described.about.voices)
    known = door.client.models()["models"]
    about = next((each["about"] for each in known if (each["model_type"], each["name"]) == spec.key), None)
    return [Voice.model_validate(voice) for voice in (about or {}).get("voices", ())]


def _alias(name: str, meant: str | None) -> dict[str, Any]:
    """A name for another voice; `meant` is null where that is the default one."""
    return Voice(name=name).model_dump() | {"id": name, "model": None, "alias_of": meant or DEFAULT}
