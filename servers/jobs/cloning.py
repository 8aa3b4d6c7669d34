"""Cloned voices in a request: which model speaks with one, and what its name stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from servers.backends.base import SYNTHESIZE, Backend
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.cloned_voices import ClonedVoices
from servers.errors import InvalidRequest, SkylarkError, UnknownModel
from servers.jobs.preferred import REFERENCE, Candidate, Preferred, check_loadable
from servers.speech import CloningUtterance, ModelSpec, Noun

HOW = "add a Qwen3-TTS Base checkpoint to models.yaml (config/models.example.yaml shows an entry)"


class Cloning:
    """Which model speaks with a cloned voice where the request names none: the first that is here and can.

    The models that clone: the door's own come first, then those of models.yaml in its order.
    """

    def __init__(self, preferred: Preferred, catalog: Catalog, search_path: Sequence[Path] = ()) -> None:
        self._candidates = list(_candidates(preferred, catalog, search_path))

    def model(self) -> ModelSpec:
        """Raises UnknownModel where none can, saying what to do."""
        for candidate in self._candidates:
            if self._can(candidate):
                return candidate.spec
        raise UnknownModel(f"no model here can clone a voice: {HOW}", param="model")

    @staticmethod
    def _can(candidate: Candidate) -> bool:
        """As it says of itself; where it can only be asked, it is asked to."""
        try:
            check_loadable(candidate.spec, candidate.kind)
        except SkylarkError:  # another may be here
            return False
        described = candidate.description()
        return described is None or described.about.clones


def clones(kind: type[Backend]) -> bool:
    """Whether models of the backend may be given reference audio; which of them can, they say themselves."""
    return issubclass(kind.requests.get(SYNTHESIZE, Noun), CloningUtterance)


def reference_of(
    voices: ClonedVoices, payload: Mapping[str, Any], kind: type[Backend], owner: str | None
) -> dict[str, str]:
    """The fields that stand for the name of a cloned voice in a payload; none where the owner has no such.

    Raises InvalidRequest where no model of the backend clones, or the payload has a reference as well.
    """
    if payload.get(REFERENCE) is not None and not clones(kind):
        raise InvalidRequest("this model cannot clone a voice", param=f"payload.{REFERENCE}")
    name = payload.get("voice")
    voice = voices.find(owner, name) if isinstance(name, str) else None
    if voice is None:
        return {}
    if not clones(kind):
        message = (
            f"{name!r} is a cloned voice, and this model cannot clone; without a model one is chosen that can"
        )
        raise InvalidRequest(message, param="payload.voice")
    reference = {REFERENCE: str(voices.clip(owner, voice)), "reference_text": voice.reference_text}
    for field in reference:
        if payload.get(field) is not None:
            message = f"{name!r} is a cloned voice and has a reference of its own: leave one of them out"
            raise InvalidRequest(message, param=f"payload.{field}")
    return reference


def _candidates(preferred: Preferred, catalog: Catalog, search_path: Sequence[Path]) -> Iterator[Candidate]:
    own = {each.spec.key for each in preferred.candidates}
    others = (Candidate(spec, backend_class(spec.backend, search_path)) for spec in catalog)
    for each in (*preferred.candidates, *(other for other in others if other.spec.key not in own)):
        if clones(each.kind):
            yield each
