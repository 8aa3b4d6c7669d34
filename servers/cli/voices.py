"""What `skylark models voices` does: who can speak, and in which languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servers.cli import engine
from servers.cli.failures import CommandFailed
from servers.cli.output import print_json, print_table
from servers.errors import SkylarkError
from servers.settings import settings

HEADINGS = ("voice", "languages", "gender", "description")


def show(model: str | None, socket: Path | None, *, json: bool) -> None:
    """Raises what keeps the model from being loaded."""
    with engine.asked(socket) as client:
        found = client.load_model(_named(model, client.models()["models"]))
    if found["error"] is not None:
        raise SkylarkError.from_dict(found["error"])
    if found["state"] != "ready":  # others have work in hand, for longer than a load may take
        raise CommandFailed(f"{found['model_type']}/{found['name']} is {found['state']} still: ask again")
    about: dict[str, Any] = found["about"] or {}
    if json:
        print_json({"model": f"{found['model_type']}/{found['name']}"} | about)
    elif about.get("voices"):
        print_table(HEADINGS, map(_row, about["voices"]))
    else:
        print(f"it has no named voices; languages: {', '.join(about.get('languages', ())) or 'not told'}")


def _named(model: str | None, known: list[dict[str, Any]]) -> str:
    """The engine's name for it: a backend alone is its default, and nothing is the tts server's own."""
    tts = settings().tts
    if model is None and tts.model is not None:
        return f"{tts.model_type}/{tts.model}"
    backend = tts.model_type if model is None else model
    defaults = {each["model_type"]: each["name"] for each in known if each["default"]}
    return f"{backend}/{defaults[backend]}" if backend in defaults else backend


def _row(voice: dict[str, Any]) -> tuple[str, ...]:
    return (
        voice["name"],
        ", ".join(voice["languages"]),
        voice["gender"] or "",
        voice["description"] or "",
    )
