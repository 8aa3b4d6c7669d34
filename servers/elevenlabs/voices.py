"""What ElevenLabs' clients look for in a voice of GET /v1/voices."""

from __future__ import annotations

from typing import Any


def labelled(voice: dict[str, Any]) -> dict[str, Any]:
    """The voice as the list has it, with the fields of theirs that it lacks."""
    labels = {"gender": voice["gender"], "language": next(iter(voice["languages"]), None)}
    theirs = {
        "voice_id": voice["id"],
        "category": voice.get("category", "premade"),
        "labels": {name: value for name, value in labels.items() if value is not None},
    }
    return voice | theirs
