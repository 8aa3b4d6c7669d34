"""GET /v1/voices: who can speak, as ElevenLabs' clients list them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.openai import listings
from servers.web.openapi import operation

bp = Blueprint("elevenlabs_voices", __name__)


@bp.get("/v1/voices")
@operation("Who can speak, as ElevenLabs' clients list them")
def voices() -> dict[str, Any]:
    return {"voices": [_voice(each) for each in listings.voices()["voices"]]}


def _voice(voice: dict[str, Any]) -> dict[str, Any]:
    labels = {"gender": voice["gender"], "language": next(iter(voice["languages"]), None)}
    return {
        "voice_id": voice["id"],
        "name": voice["name"],
        "category": "premade",
        "description": voice["description"],
        "labels": {name: value for name, value in labels.items() if value is not None},
    }
