"""What a client's names for models and voices mean: ours as they are, OpenAI's by the settings' table."""

from __future__ import annotations

from servers.errors import InvalidRequest, UnknownModel
from servers.jobs.requests import Requests
from servers.settings import settings
from servers.speech import Noun

DEFAULT = "default"
"""The voice and the model that always exist: what the server asks where nobody is named."""


class VoiceId(Noun):
    """A voice as newer clients name it."""

    id: str


def model_named(name: str | None, door: Requests, task: str) -> str | None:
    """ "backend/name" of models.yaml; None is what the door asks by default.

    Raises UnknownModel, and InvalidRequest for one that cannot do the task.
    """
    if name is None or name == DEFAULT:
        return None
    aliases = settings().openai.models
    meant = aliases.get(name, name)
    if meant is None:
        return None
    try:
        model = door.model(meant)
    except UnknownModel as error:
        others = f"; OpenAI's names are {', '.join(aliases)}" if aliases else ""
        raise UnknownModel(f"{error.message}{others}", param="model") from None
    if task not in door.tasks(model):
        message = f"the model {name!r} cannot {task}; its tasks are {', '.join(door.tasks(model))}"
        raise InvalidRequest(message, param="model")
    return "/".join(model.key)


def voice_named(voice: str | VoiceId | None) -> str | None:
    """The voice as its model knows it; None is the model's own default."""
    name = voice.id if isinstance(voice, VoiceId) else voice
    if name is None or name == DEFAULT:
        return None
    return settings().openai.voices.get(name, name)
