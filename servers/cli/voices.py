"""What `skylark voices` does: who can speak, in which languages, and under which licence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from servers.cli import engine
from servers.cli.failures import CommandFailed
from servers.cli.output import complain, print_json, print_table
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.settings import settings

HEADINGS = ("voice", "languages", "licence", "gender", "description")


def show(model: str | None, socket: Path | None, *, json: bool) -> None:
    """Of all that the tts server asks, where no model is named. Raises what keeps one from being loaded."""
    with engine.asked(socket) as client:
        known = client.models()["models"]
        found = _of_server(client, known) if model is None else [_loaded(client, _named(model, known))]
    others = [] if model is not None else _others(found, known)
    if json:
        models = [{"model": _key(each)} | (each["about"] or {}) for each in found]
        print_json({"models": models, "others": others})
        return
    for each in found:
        if len(found) > 1:
            print(f"{_key(each)}:")
        _print(each["about"] or {})
    if others:
        print(f"others that speak: {', '.join(others)}; `skylark voices MODEL` lists their voices")


def _of_server(client: JobsClient, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that the tts server may ask; of several, one that cannot be loaded is told and left out."""
    tts = settings().tts
    if len(tts.model_type) == 1:
        (backend,) = tts.model_type
        return [_loaded(client, _named(backend, known) if tts.model is None else f"{backend}/{tts.model}")]
    found = []
    for name in [_named(each, known) for each in tts.model_type]:
        try:
            found.append(_loaded(client, name))
        except SkylarkError as error:
            complain(f"{name} is not asked: {error.message}")
    if not found:
        raise CommandFailed("none of them can speak")
    return found


def _loaded(client: JobsClient, name: str) -> dict[str, Any]:
    found = client.load_model(name)
    if found["error"] is not None:
        raise SkylarkError.from_dict(found["error"])
    if found["state"] != "ready":  # others have work in hand, for longer than a load may take
        raise CommandFailed(f"{found['model_type']}/{found['name']} is {found['state']} still: ask again")
    return found


def _print(about: dict[str, Any]) -> None:
    if about.get("voices"):
        print_table(HEADINGS, map(_row, about["voices"]))
    else:
        print(f"it has no named voices; languages: {', '.join(about.get('languages', ())) or 'not told'}")


def _others(found: Iterable[dict[str, Any]], known: list[dict[str, Any]]) -> list[str]:
    """The other models that speak; they are not loaded for it."""
    shown = set(map(_key, found))
    speaking = [_key(each) for each in known if "synthesize" in each["tasks"]]
    return [key for key in speaking if key not in shown]


def _key(model: dict[str, Any]) -> str:
    return f"{model['model_type']}/{model['name']}"


def _named(model: str, known: list[dict[str, Any]]) -> str:
    """The engine's name for it: a backend alone is its default."""
    defaults = {each["model_type"]: each["name"] for each in known if each["default"]}
    return f"{model}/{defaults[model]}" if model in defaults else model


def _row(voice: dict[str, Any]) -> tuple[str, ...]:
    return (
        voice["name"],
        ", ".join(voice["languages"]),
        voice["licence"] or "",
        voice["gender"] or "",
        voice["description"] or "",
    )
