"""Which model a door asks when a request names none: of its preferred ones the first that is here and can.

A door with one model asks that, whatever the request is: what it cannot do is its error to raise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.backends.base import About, Backend, Description
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.errors import InvalidRequest, SkylarkError, UnknownModel, UnknownVoice
from servers.nearest import possible
from servers.settings import Door
from servers.speech import ModelSpec
from servers.text.languages import language_code

REFERENCE = "reference_audio_path"
DECIDING = ("task", "voice", "language", REFERENCE)
"""The fields of a payload by which a model is chosen."""
ANY_LANGUAGE = frozenset({"", "auto"})
DESCRIBED_S = 10.0
"""For so long what a model says of itself is taken for true: reading voice packs takes milliseconds."""
SOME = 3
LISTED = "`skylark voices` lists"


@dataclass(frozen=True)
class PassedOver:
    """A preferred model that cannot be loaded here, and why."""

    model_type: str
    error: SkylarkError


@dataclass
class Candidate:
    """A model that can be loaded here, as far as that can be told."""

    spec: ModelSpec
    kind: type[Backend]
    clock: Callable[[], float] = time.monotonic
    _described: tuple[float, Description | None] | None = field(default=None, init=False)

    def description(self) -> Description | None:
        """What is known of it; None where it can only be asked."""
        now = self.clock()
        if self._described is None or now - self._described[0] > DESCRIBED_S:
            self._described = now, self._asked()
        return self._described[1]

    def takes(self, voice: str | None, language: str | None) -> bool:
        """A voice that is named decides: clients send a default language along with it."""
        described = self.description()
        if described is None:
            return True
        if voice:
            return described.has_voice(voice)
        return language is None or _speaks(language, described.about)

    def _asked(self) -> Description | None:
        if self.spec.venv is not None:
            return None
        try:
            return self.kind.describe(self.kind.options.model_validate(self.spec.options))
        except SkylarkError:  # its load will say what has become of it, to whoever asks it
            return None


class Preferred:
    """The models of a door that can be loaded, in the order in which they are asked; one at least."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        passed_over: Sequence[PassedOver] = (),
        aligner: str | None = None,
    ) -> None:
        self.candidates, self.passed_over = list(candidates), list(passed_over)
        self._aligner = aligner

    @classmethod
    def of(cls, door: Door, catalog: Catalog, search_path: Sequence[Path] = ()) -> Preferred:
        """Where none of several can be loaded, the last one's error is what its clients see.

        Raises UnknownModel for a name that is no backend's, or is in models.yaml with no model or another.
        """
        aligner = getattr(door, "aligner", None)
        if len(door.model_type) == 1:
            only = catalog.resolve(door.model_type[0], door.model)
            return cls([Candidate(only, backend_class(only.backend, search_path))], (), aligner)
        found = [_found(name, catalog, search_path) for name in door.model_type]
        candidates = [each for each in found if isinstance(each, Candidate)]
        passed_over = [each for each in found if isinstance(each, PassedOver)]
        if not candidates:
            last = catalog.resolve(door.model_type[-1])
            candidates = [Candidate(last, backend_class(last.backend, search_path))]
        return cls(candidates, passed_over, aligner)

    @property
    def first(self) -> ModelSpec:
        return self.candidates[0].spec

    def description(self, model: ModelSpec) -> Description | None:
        """What is known of one of the candidates; None where it is none of them, or can only be asked."""
        found = [each for each in self.candidates if each.spec.key == model.key]
        return found[0].description() if found else None

    def check_voice(self, model: ModelSpec, voice: str | None) -> None:
        """Raises UnknownVoice where it is known that the model has no such voice, with some that exist."""
        described = self.description(model)
        if voice and described is not None and not described.has_voice(voice):
            raise self._unknown(voice)

    def choose(self, payload: Mapping[str, Any]) -> ModelSpec:
        """The model for a job with this payload.

        Raises UnknownVoice for a voice that is known to be none's, with some that exist.
        """
        if len(self.candidates) == 1:
            return self.first
        voice, language = payload.get("voice"), payload.get("language")
        if language is not None and language.strip().casefold() in ANY_LANGUAGE:
            language = None
        for candidate in self._in_order(payload.get("task"), language):
            if candidate.takes(voice, language):
                return candidate.spec
        if voice:
            raise self._unknown(voice)
        return self.candidates[-1].spec

    def _in_order(self, task: str | None, language: str | None) -> list[Candidate]:
        """For an alignment in a language that is named, the aligner goes first."""
        if task != "align" or language is None:
            return self.candidates
        return sorted(self.candidates, key=lambda candidate: candidate.spec.backend != self._aligner)

    def _unknown(self, name: str) -> UnknownVoice:
        described = [each.description() for each in self.candidates]
        voices = [voice for each in described if each is not None for voice in each.about.voices]
        some = [f"{voice.name} ({', '.join(voice.languages)})" for voice in voices[:SOME]]
        near = possible(name, [voice.name for voice in voices], such_as=some, listed=LISTED)
        return UnknownVoice(f"there is no voice {name[:80]!r}; {near}", param="voice")


def check_loadable(model: ModelSpec, kind: type[Backend]) -> None:
    """Raises what keeps the model from being loaded, as far as that can be told at once.

    One with an environment of its own is checked there, by its runner.
    """
    if model.venv is None:
        kind.check(kind.options.model_validate(model.options))


def _found(name: str, catalog: Catalog, search_path: Sequence[Path]) -> Candidate | PassedOver:
    """Raises UnknownModel where no backend is called so."""
    kind = backend_class(name, search_path)
    try:
        model = catalog.resolve(name)
        check_loadable(model, kind)
    except UnknownModel as error:
        error.message += "; config/models.example.yaml shows an entry"
        return PassedOver(name, error)
    except SkylarkError as error:
        return PassedOver(name, error)
    return Candidate(model, kind)


def _speaks(language: str, about: About) -> bool:
    known = {tag.casefold().partition("-")[0] for tag in about.languages}
    try:
        return not known or language_code(language, known) in known
    except InvalidRequest:
        return False
