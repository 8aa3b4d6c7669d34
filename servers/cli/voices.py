"""What `skylark voices` does: who can speak, in which languages, and under which licence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servers.cli import engine
from servers.cli.failures import CommandFailed
from servers.cli.output import print_json, print_table
from servers.errors import SkylarkError
from servers.settings import settings

HEADINGS = ("voice", "languages", "licence", "gender", "description")


def show(model: str | None, socket: Path | None, *, json: bool) -> None:
    """Raises what keeps the model from being loaded."""
    with engine.asked(socket) as client:
        known = client.models()["models"]
        found = client.load_model(_named(model, known))
    if found["error"] is not None:
        raise SkylarkError.from_dict(found["error"])
    if found["state"] != "ready":  # others have work in hand, for longer than a load may take
        raise CommandFailed(f"{found['model_type']}/{found['name']} is {found['state']} still: ask again")
    about: dict[str, Any] = found["about"] or {}
    others = [] if model is not None else _others(found, known)
    if json:
        print_json({"model": _key(found)} | about | {"others": others})
        return
    _print(about)
    if others:
        print(f"others that speak: {', '.join(others)}; `skylark voices MODEL` lists their voices")


def _print(about: dict[str, Any]) -> None:
    if about.get("voices"):
        print_table(HEADINGS, map(_row, about["voices"]))
    else:
        print(f"it has no named voices; languages: {', '.join(about.get('languages', ())) or 'not told'}")


def _others(found: dict[str, Any], known: list[dict[str, Any]]) -> list[str]:
    """The other models that speak; they are not loaded for it."""
    speaking = [_key(each) for each in known if "synthesize" in each["tasks"]]
    return [key for key in speaking if key != _key(found)]


def _key(model: dict[str, Any]) -> str:
    return f"{model['model_type']}/{model['name']}"


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
        voice["licence"] or "",
        voice["gender"] or "",
        voice["description"] or "",
    )
