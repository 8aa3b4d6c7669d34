"""Who can speak, as Riva's clients list and name them: "backend/model.voice", and our own names of voices."""

from __future__ import annotations

from collections.abc import Iterator

from servers.backends.base import About
from servers.errors import UnknownModel
from servers.jobs.requests import Requests
from servers.openai.listings import told_about
from servers.rpc.riva import riva_tts_pb2 as wire
from servers.speech import ModelSpec

Config = wire.RivaSynthesisConfigResponse.Config
SEPARATOR = "."


def meant(voice_name: str, door: Requests) -> tuple[str | None, str | None]:
    """The model and the voice that a name means; each is None where the name leaves it open."""
    for model in map("/".join, (candidate.spec.key for candidate in door.preferred.candidates)):
        if voice_name == model:
            return model, None
        if voice_name.startswith(model + SEPARATOR):
            return model, voice_name[len(model) + 1 :] or None
    return None, voice_name or None


def configs(door: Requests, owner: str | None, model_name: str) -> Iterator[Config]:
    """For each model, or the one that is named, one for all of its voices that speak the same languages; its
    default voice is in the first.

    A model whose voices are not known before it is loaded stands there by its name alone.

    Raises UnknownModel.
    """
    asked = [candidate.spec for candidate in door.preferred.candidates]
    names = ["/".join(spec.key) for spec in asked]
    if model_name and model_name not in names:
        message = f"there is no model {model_name[:80]!r}; known are {', '.join(names)}"
        raise UnknownModel(message, param="model_name")
    for spec, name in zip(asked, names, strict=True):
        if model_name in ("", name):
            yield from _of_model(spec, name, door, owner)


def _of_model(spec: ModelSpec, name: str, door: Requests, owner: str | None) -> Iterator[Config]:
    about = told_about(spec, door) or About()
    by_languages: dict[tuple[str, ...], list[str]] = {}
    for voice in sorted(about.voices, key=lambda voice: voice.name != about.default_voice):
        by_languages.setdefault(voice.languages or about.languages, []).append(voice.name)
    if about.clones and (own := [voice.name for voice in door.cloned_voices.of(owner)]):
        by_languages.setdefault(about.languages, []).extend(own)
    for languages, voices in (by_languages or {about.languages: []}).items():
        yield Config(model_name=name, parameters=_parameters(name, about, languages, voices))


def _parameters(name: str, about: About, languages: tuple[str, ...], voices: list[str]) -> dict[str, str]:
    """A client names a voice by `voice_name`, a dot, and one of `subvoices` without its number."""
    found = {
        "voice_name": name,
        "subvoices": ",".join(f"{voice}:{number}" for number, voice in enumerate(voices)),
        "num_speakers": str(len(voices)),
        "language_code": ",".join(languages),
        "sample_rate": str(about.sample_rate or ""),
    }
    return {key: value for key, value in found.items() if value}
